import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Picture, samplesOf } from "./picture.ts";
import { NEUTRAL_TUNING } from "./tuning.ts";
import type { MergeOptions } from "./types.ts";
import { createPixelWorkers, type PixelWorkers } from "./workers.ts";

let folder: string;
let workers: PixelWorkers;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-lay-"));
  workers = createPixelWorkers({ threads: 3, limits: { maxMegapixels: 100 } });
});
afterAll(async () => {
  await workers.close();
  await rm(folder, { recursive: true });
});

const [WIDTH, HEIGHT] = [97, 61];
const [ACROSS, DOWN] = [64, 32];
const grey = Float32Array.from({ length: ACROSS * DOWN }, (_, i) => 0.5 + 0.4 * Math.sin(i / 37));
const chroma = {
  data: Float32Array.from({ length: 2 * ACROSS * DOWN }, (_, i) => 60 * Math.sin(i / 91)),
  width: ACROSS,
  height: DOWN,
};

function pictureOf(bitDepth: 8 | 16, channels: 3 | 4): Picture {
  const data = new SharedArrayBuffer(WIDTH * HEIGHT * channels * (bitDepth / 8));
  const levels = samplesOf(data, bitDepth);
  const top = 2 ** bitDepth - 1;
  for (let i = 0; i < levels.length; i++) {
    const place = Math.floor(i / channels);
    levels[i] = i % channels === 3 ? (place * 7) % (top + 1) : top * (0.5 + 0.45 * Math.sin(place / 50));
  }
  return { width: WIDTH, height: HEIGHT, channels, bitDepth, data };
}

describe("chroma laid by several threads together", () => {
  const tunings: readonly Partial<MergeOptions>[] = [
    {},
    { colorFactor: 1.4, tuning: { ...NEUTRAL_TUNING, temperature: 0.3, protectSkin: 0.5 } },
    { tuning: { ...NEUTRAL_TUNING, blend: 0.4 } },
    { upsample: "bilinear" },
  ];
  it.each([
    [8, 3],
    [8, 4],
    [16, 3],
  ] as const)("is what one alone lays (%s bit, %s channels)", async (bitDepth, channels) => {
    const picture = pictureOf(bitDepth, channels);
    for (const change of tunings) {
      const how: MergeOptions = { colorFactor: 1, upsample: "edge-aware", gamut: "chroma", ...change };
      const alone = await workers.layChroma(picture, chroma, grey, how, join(folder, "a"));
      const together = await workers.layChromaTogether(picture, chroma, grey, how, join(folder, "b"));
      const { data: one, lightnessOf: from, ...rest } = alone;
      const { data: other, lightnessOf: alsoFrom, ...same } = together;
      expect(same).toEqual(rest);
      expect(Buffer.from(other as SharedArrayBuffer).equals(Buffer.from(one as SharedArrayBuffer))).toBe(
        true,
      );
      expect(alsoFrom?.width).toBe(from?.width);
    }
  });
});
