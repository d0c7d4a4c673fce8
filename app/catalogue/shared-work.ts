// Work that several ask for at the same time and that is done once: it goes on while anybody still waits for it.
// Must never: keep a result.

/**
 * Waits for the work of a name, which is started where it is not under way.
 * @param signal aborted: this one waits no longer; when nobody does, the work is aborted too
 * @throws the signal's reason, or what the work throws
 */
export type SharedWork<Result> = (
  name: string,
  start: (signal: AbortSignal) => Promise<Result>,
  signal?: AbortSignal,
) => Promise<Result>;

interface Work<Result> {
  readonly promise: Promise<Result>;
  readonly abort: AbortController;
  waiting: number;
}

export function shareWork<Result>(): SharedWork<Result> {
  const underWay = new Map<string, Work<Result>>();

  function begin(name: string, start: (signal: AbortSignal) => Promise<Result>): Work<Result> {
    const abort = new AbortController();
    const work: Work<Result> = { promise: start(abort.signal), abort, waiting: 0 };
    const forget = () => {
      if (underWay.get(name) === work) underWay.delete(name);
    };
    work.promise.then(forget, forget);
    abort.signal.addEventListener("abort", forget); // whoever comes now begins anew
    underWay.set(name, work);
    return work;
  }

  return async (name, start, signal) => {
    signal?.throwIfAborted();
    const work = underWay.get(name) ?? begin(name, start);
    work.waiting++;
    const given = Promise.withResolvers<never>();
    const onAbort = () => given.reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([work.promise, given.promise]);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      work.waiting--;
      if (work.waiting === 0) work.abort.abort();
    }
  };
}
