import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLogger } from "../kernel/index.ts";
import { decide } from "./decide.ts";
import { createSuggester, type Face, type Suggester } from "./index.ts";
import { straightness } from "./lines.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
let folder: string;
let suggester: Suggester;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-suggest-"));
  suggester = createSuggester({ threads: 2, limits: { maxMegapixels: 100 }, log: silentLogger() });
});
afterAll(async () => {
  suggester.close();
  await rm(folder, { recursive: true });
});

const [WIDTH, HEIGHT] = [384, 256];
const grey = (level: (x: number, y: number) => number) => ({
  width: WIDTH,
  height: HEIGHT,
  levels: Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => level(i % WIDTH, Math.floor(i / WIDTH))),
});

describe("straight edges", () => {
  it("are many in windows, few in waves, in slanted stripes and in nothing", () => {
    // Windows of a front: each a little out of line.
    const windows = straightness(
      grey((x, y) => {
        const [column, row] = [Math.floor(x / 31), Math.floor(y / 41)];
        const left = (x % 31) - ((row * 3) % 5);
        const down = (y % 41) - ((column * 5) % 7);
        return left > 6 && left < 20 && down > 8 && down < 30 ? 40 : 200;
      }),
    );
    const waves = straightness(grey((x, y) => 128 + 80 * Math.sin(x / 9 + 3 * Math.sin(y / 11))));
    const slanted = straightness(grey((x, y) => ((x + y) % 24 < 12 ? 40 : 200)));
    const upright = straightness(grey((x) => (x % 24 < 12 ? 40 : 200)));
    expect(windows).toBeGreaterThan(0.2);
    for (const other of [waves, slanted, upright]) expect(other).toBeLessThan(0.1);
    expect(straightness(grey(() => 128))).toBe(0);
    expect(straightness({ width: 3, height: 2, levels: new Uint8Array(6) })).toBe(0);
  });

  it("of a frame alone are no building", () => {
    const framed = straightness(grey((x, y) => (x < 40 || y < 40 || x > 340 || y > 210 ? 20 : 180)));
    expect(framed).toBeLessThan(0.1);
  });
});

describe("the rule", () => {
  const faceOf = (width: number, score = 0.9): Face => ({ x: 0, y: 0, width, height: width, score });
  it("is people first, then buildings, then neither", () => {
    expect(decide([faceOf(100)], 0.4, 1000).preset).toBe("portrait");
    expect(decide([faceOf(5)], 0.4, 1000).preset).toBe("building");
    expect(decide([], 0.01, 1000).preset).toBe("quick");
    expect(
      decide(
        [1, 2, 3, 4, 5].map(() => faceOf(30)),
        0,
        1000,
      ).preset,
    ).toBe("group");
    expect(decide([faceOf(100, 0.51)], 0, 1000).preset).toBe("quick"); // not sure enough
  });

  it("says why in both languages, and how sure it is", () => {
    for (const suggestion of [decide([faceOf(100)], 0, 500), decide([], 0.3, 500), decide([], 0, 500)]) {
      expect(suggestion.why.en).toMatch(/\.$/);
      expect(suggestion.why.zh).toMatch(/。$/);
      expect(suggestion.confidence).toBeGreaterThanOrEqual(0);
      expect(suggestion.confidence).toBeLessThanOrEqual(1);
    }
  });
});

describe("photographs", () => {
  const trial = async (set: string) =>
    (
      JSON.parse(await readFile(join(ROOT, "models/subject/trial.json"), "utf8")) as Record<
        string,
        Record<string, string>
      >
    )[set]!;

  it("of the samples get the preset that suits them, all but one", async () => {
    const wrong: string[] = [];
    for (const [name, truth] of Object.entries(await trial("samples"))) {
      const { preset } = await suggester.presetFor(join(ROOT, "main/demo/samples", name));
      if (!truth.split("/").includes(preset)) wrong.push(name);
    }
    expect(wrong).toEqual(["lookout-tower.jpg"]); // seen from below: its lines are slanted
  });

  const old = join(ROOT, "../shared/photos/old");
  it.skipIf(!existsSync(old))("of the trial collection too", async () => {
    for (const [name, truth] of Object.entries(await trial("old"))) {
      const { preset } = await suggester.presetFor(join(old, name));
      expect(truth.split("/"), name).toContain(preset);
    }
  });

  it("of any size and shape get some answer, and what is no photograph an error", async () => {
    const make = async (width: number, height: number) => {
      const file = join(folder, `${width}x${height}.png`);
      await sharp({ create: { width, height, channels: 3, background: "#777" } })
        .png()
        .toFile(file);
      return file;
    };
    for (const [width, height] of [
      [1, 1],
      [3000, 2],
      [2, 900],
    ] as const) {
      expect((await suggester.presetFor(await make(width, height))).preset).toBe("quick");
    }
    await writeFile(join(folder, "notes.jpg"), "no picture");
    await expect(suggester.presetFor(join(folder, "notes.jpg"))).rejects.toMatchObject({
      code: "not-an-image",
    });
    const stop = AbortSignal.abort();
    await expect(suggester.presetFor(await make(5, 5), stop)).rejects.toThrow();
  });
});
