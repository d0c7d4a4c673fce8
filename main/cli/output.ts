// What the command line says: JSON Lines on stdout with --json, sentences on stderr, and a progress bar where somebody
// is watching. Owns: both streams. Must never: decide what is said.
import type { ErrorRecord } from "../../app/kernel/index.ts";

export interface Output {
  readonly json: boolean;
  /** A machine line; nothing without --json. */
  line(value: object): void;
  /** The last machine line, and its sentence for people. */
  summary(value: object, sentence: string): void;
  /** A result for people: stdout, or nothing with --json. */
  result(text: string): void;
  /** A remark for people, on stderr. */
  say(text: string): void;
  /** A failure for people, on stderr. */
  fail(about: string, error: ErrorRecord): void;
  /** @param state `count` puts a number into words; otherwise it stands for itself */
  progress(state: {
    readonly done: number;
    readonly total: number;
    readonly failed: number;
    readonly remainingMs: number | undefined;
    readonly count?: (count: number) => string;
  }): void;
}

const BAR = 24;
/** Without a terminal a line of progress every so often, so that a log stays short. */
const PLAIN_EVERY_MS = 10_000;

export function createOutput(
  json: boolean,
  out: NodeJS.WriteStream = process.stdout,
  err: NodeJS.WriteStream = process.stderr,
): Output {
  let barShown = false;
  let lastPlain = Date.now();
  const clear = () => {
    if (barShown) err.write("\r\x1b[2K");
    barShown = false;
  };
  const say = (text: string) => {
    clear();
    err.write(`${text}\n`);
  };
  return {
    json,
    say,
    line(value) {
      if (json) out.write(`${JSON.stringify(value)}\n`);
    },
    summary(value, sentence) {
      if (json) out.write(`${JSON.stringify({ summary: value })}\n`);
      say(sentence);
    },
    result(text) {
      clear();
      if (!json) out.write(`${text}\n`);
    },
    fail(about, error) {
      say(`${printable(about)}: ${error.message} ${error.next}`);
    },
    progress({ done, total, failed, remainingMs, count = String }) {
      const share = total === 0 ? 1 : done / total;
      const rest = remainingMs === undefined || done >= total ? "" : `, ${duration(remainingMs)} left`;
      const words = `${count(done)} of ${count(total)}${failed > 0 ? `, ${failed} failed` : ""}${rest}`;
      if (err.isTTY) {
        const filled = Math.round(share * BAR);
        err.write(`\r\x1b[2K[${"█".repeat(filled)}${"░".repeat(BAR - filled)}] ${words}`);
        barShown = true;
        if (done >= total) clear();
      } else if (Date.now() - lastPlain >= PLAIN_EVERY_MS) {
        lastPlain = Date.now();
        say(words);
      }
    },
  };
}

/** "8 s", "3 min", "2 h 10 min". @param ms milliseconds */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** File names may hold line breaks and escape sequences; a terminal must not obey them. */
export function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
}
