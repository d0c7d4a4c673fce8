import { expect, test } from "vitest";
import { duration } from "./duration.ts";

test("seconds, minutes, hours, in both languages", () => {
  expect(duration(0, "en")).toBe("0 sec");
  expect(duration(59_400, "en")).toBe("59 sec");
  expect(duration(60_000, "en")).toBe("1 min");
  expect(duration(59.6 * 60_000, "en")).toBe("1 hr");
  expect(duration(80 * 60_000, "en")).toBe("1 hr 20 min");
  expect(duration(180_000, "zh-CN")).toBe("3分钟");
});
