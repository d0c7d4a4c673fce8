import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { createOutput, duration, printable } from "./output.ts";

function streams(isTTY: boolean) {
  const out = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.WriteStream & PassThrough;
  const err = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.WriteStream & PassThrough;
  const text = (stream: PassThrough) => String(stream.read() ?? "");
  return { out, err, text };
}

describe("output", () => {
  it("keeps stdout for machines with --json, and for results without", () => {
    const machine = streams(false);
    const json = createOutput(true, machine.out, machine.err);
    json.line({ a: 1 });
    json.result("for people");
    json.say("a remark");
    json.summary({ done: 1 }, "Done.");
    expect(machine.text(machine.out)).toBe('{"a":1}\n{"summary":{"done":1}}\n');
    expect(machine.text(machine.err)).toBe("a remark\nDone.\n");

    const people = streams(false);
    const plain = createOutput(false, people.out, people.err);
    plain.line({ a: 1 });
    plain.result("for people");
    plain.summary({ done: 1 }, "Done.");
    expect(people.text(people.out)).toBe("for people\n");
    expect(people.text(people.err)).toBe("Done.\n");
  });

  it("draws a bar on a terminal and clears it before words and at the end", () => {
    const { out, err, text } = streams(true);
    const output = createOutput(false, out, err);
    output.progress({ done: 1, total: 4, failed: 0, remainingMs: 125_000 });
    expect(text(err)).toMatch(/█{6}░{18}.*1 of 4, 2 min left/);
    output.say("a remark");
    expect(text(err)).toBe("\r\x1b[2Ka remark\n");
    output.progress({ done: 4, total: 4, failed: 1, remainingMs: 0 });
    expect(text(err)).toMatch(/4 of 4, 1 failed\r\x1b\[2K$/);
  });

  it("does not flood a log with progress", () => {
    const { out, err, text } = streams(false);
    const output = createOutput(false, out, err);
    for (let done = 0; done < 100; done++) output.progress({ done, total: 100, failed: 0, remainingMs: 1 });
    expect(text(err)).toBe("");
  });

  it("says durations as people do", () => {
    expect([0, 8_400, 59_900, 150_000, 7_800_000].map(duration)).toEqual([
      "0 s",
      "8 s",
      "1 min",
      "3 min",
      "2 h 10 min",
    ]);
  });

  it("lets no file name command the terminal", () => {
    expect(printable("a\nb\x1b[2J\x9bc 祖母 👵🏽")).toBe("a\ufffdb\ufffd[2J\ufffdc 祖母 👵🏽");
  });
});
