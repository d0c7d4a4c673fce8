import { expect, test } from "vitest";
import { threadsOf } from "./index.ts";

test("polite leaves half of the cores, balanced stands back, all takes all", () => {
  const unset = { workers: undefined, inferenceThreads: undefined };
  expect(threadsOf({ effort: "polite", ...unset }, 16)).toEqual({ workers: 8, network: 8, niceness: 10 });
  expect(threadsOf({ effort: "polite", ...unset }, 1)).toEqual({ workers: 1, network: 1, niceness: 10 });
  expect(threadsOf({ effort: "balanced", ...unset }, 6)).toEqual({ workers: 6, network: 6, niceness: 5 });
  expect(threadsOf({ effort: "all", ...unset }, 64)).toEqual({ workers: 8, network: 64, niceness: 0 });
});

test("what was set by hand counts", () => {
  const byHand = { effort: "polite", workers: 3, inferenceThreads: 20 } as const;
  expect(threadsOf(byHand, 4)).toMatchObject({ workers: 3, network: 20 });
});
