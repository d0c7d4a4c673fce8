// A generator that runs ahead of its readers, so that they never wait for it and the total is known early.
// Must never: run ahead further than told.

export interface ReadAhead<T> {
  /** The next item and its place in the order, from 0; undefined at the end. @throws what the generator threw */
  next(): Promise<{ readonly item: T; readonly turn: number } | undefined>;
  /** How many items were read so far. */
  total(): number;
  /** Ends the generator; waits until it has ended. */
  close(): Promise<void>;
}

/** @param most items that are held at the same time */
export function readAhead<T>(source: AsyncGenerator<T>, most: number): ReadAhead<T> {
  const queue: T[] = [];
  let total = 0;
  let turn = 0;
  let closed = false;
  let ended = false;
  let changed = Promise.withResolvers<void>();
  const notify = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const reading = (async () => {
    try {
      for await (const item of source) {
        total++;
        queue.push(item);
        notify();
        while (queue.length >= most && !closed) await changed.promise;
        if (closed) break;
      }
    } finally {
      ended = true;
      notify();
    }
  })();
  reading.catch(() => undefined); // next() throws it
  return {
    async next() {
      while (queue.length === 0 && !ended) await changed.promise;
      if (closed) return undefined;
      const item = queue.shift();
      if (item === undefined) {
        await reading;
        return undefined;
      }
      notify();
      return { item, turn: turn++ };
    },
    total: () => total,
    async close() {
      closed = true;
      notify();
      await reading.catch(() => undefined);
    },
  };
}
