import { expect, it } from "vitest";
import { shareWork } from "./shared-work.ts";

function stage() {
  const runs: { readonly signal: AbortSignal; end(result: string): void; fail(error: Error): void }[] = [];
  const share = shareWork<string>();
  const start = (signal: AbortSignal) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    runs.push({ signal, end: resolve, fail: reject });
    return promise;
  };
  return { runs, ask: (name: string, signal?: AbortSignal) => share(name, start, signal) };
}

it("is done once for all who ask, and anew for who asks later", async () => {
  const { runs, ask } = stage();
  const both = Promise.all([ask("a"), ask("a"), ask("b")]);
  expect(runs.length).toBe(2);
  runs[0]!.end("A");
  runs[1]!.end("B");
  expect(await both).toEqual(["A", "A", "B"]);
  const again = ask("a");
  expect(runs.length).toBe(3);
  runs[2]!.end("C");
  expect(await again).toBe("C");
});

it("goes on while one still waits, and stops when nobody does", async () => {
  const { runs, ask } = stage();
  const [first, second] = [new AbortController(), new AbortController()];
  const waits = [ask("a", first.signal), ask("a", second.signal)];
  first.abort();
  await expect(waits[0]).rejects.toThrow("aborted");
  expect(runs[0]!.signal.aborted).toBe(false);
  second.abort();
  await expect(waits[1]).rejects.toThrow("aborted");
  expect(runs[0]!.signal.aborted).toBe(true);
  const anew = ask("a"); // does not hear of the end of the work that was given up
  expect(runs.length).toBe(2);
  runs[0]!.fail(new Error("given up"));
  runs[1]!.end("A");
  expect(await anew).toBe("A");
});

it("tells all who wait of a failure, and is not begun for who has left", async () => {
  const { runs, ask } = stage();
  const waits = [ask("a"), ask("a")];
  runs[0]!.fail(new Error("no such photo"));
  for (const wait of waits) await expect(wait).rejects.toThrow("no such photo");
  await expect(ask("a", AbortSignal.abort())).rejects.toThrow("aborted");
  expect(runs.length).toBe(1);
});
