// Work that is asked for often and done a few times a second. Must never: lose the last time it was asked for.

/**
 * @param everyMs least time between two times that it is done; the first is done as soon as whoever asked is finished
 * @returns `ask` for it, and `end` it for ever
 */
export function paced(everyMs: number, work: () => void): { ask(): void; end(): void } {
  let last = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  return {
    ask() {
      if (isOver || timer !== undefined) return;
      const wait = Math.max(0, last + everyMs - performance.now());
      timer = setTimeout(() => {
        timer = undefined;
        last = performance.now();
        work();
      }, wait).unref();
    },
    end() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
