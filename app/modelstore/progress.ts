// How far a download is. Owns: the measuring of speed. Must never: write anywhere.

export interface DownloadProgress {
  /** Bytes that are there, those of earlier attempts included. */
  readonly received: number;
  /** Bytes in all, where known. */
  readonly total: number | undefined;
  /** Over the last seconds; 0 until it can be told. */
  readonly bytesPerSecond: number;
  readonly remainingMs: number | undefined;
  readonly source: string;
}

export interface ProgressReporter {
  /** A source begins to send; what was measured before does not count. */
  begin(received: number, total: number | undefined, source: string): void;
  /** So much is there now. Reported at most every INTERVAL_MS. */
  advance(received: number): void;
  /** The last word of this source: reported in any case. */
  end(received: number): void;
}

const INTERVAL_MS = 200;
const WINDOW_MS = 5000;

/** @param now milliseconds of a clock that never goes back */
export function createReporter(
  report: (progress: DownloadProgress) => void = () => {},
  now: () => number = () => performance.now(),
): ProgressReporter {
  let samples: { readonly time: number; readonly received: number }[] = [];
  let total: number | undefined;
  let source = "";

  function tell(time: number, received: number): void {
    const recent = samples.filter((sample) => time - sample.time <= WINDOW_MS);
    samples = [...recent, { time, received }];
    const first = samples[0] ?? { time, received };
    const bytesPerSecond = time > first.time ? ((received - first.received) / (time - first.time)) * 1000 : 0;
    const remainingMs =
      total !== undefined && bytesPerSecond > 0 ? ((total - received) / bytesPerSecond) * 1000 : undefined;
    report({ received, total, bytesPerSecond, remainingMs, source });
  }

  return {
    begin(received, ofTotal, from) {
      samples = [];
      total = ofTotal;
      source = from;
      tell(now(), received);
    },
    advance(received) {
      const time = now();
      if (time - (samples.at(-1)?.time ?? Number.NEGATIVE_INFINITY) >= INTERVAL_MS) tell(time, received);
    },
    end(received) {
      tell(now(), received);
    },
  };
}
