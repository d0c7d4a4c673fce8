import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readChroma, writeChroma } from "./chroma-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-chroma-"));
});
afterAll(() => rm(folder, { recursive: true }));

const origin = { model: "some", modelSha256: "ab".repeat(32), device: "cpu" };

describe("kept chroma", () => {
  it("comes back within a twentieth of a Lab unit, and with its origin", async () => {
    const side = fc.integer({ min: 1, max: 40 });
    await fc.assert(
      fc.asyncProperty(
        side,
        side,
        fc.infiniteStream(fc.float({ min: -200, max: 200, noNaN: true })),
        async (width, height, values) => {
          const data = Float32Array.from({ length: 2 * width * height }, () => values.next().value ?? 0);
          const path = join(folder, "a.png");
          await writeChroma(path, { data, width, height }, origin);
          const read = await readChroma(path);
          expect(read.origin).toEqual(origin);
          expect([read.chroma.width, read.chroma.height]).toEqual([width, height]);
          for (const [i, value] of read.chroma.data.entries())
            expect(Math.abs(value - data[i]!)).toBeLessThan(0.05);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("is small where the colours are smooth", async () => {
    const [width, height] = [512, 384];
    const data = Float32Array.from(
      { length: 2 * width * height },
      (_, i) => 40 * Math.sin((i % width) / 50) + 10 * Math.cos(i / width / 30),
    );
    const path = join(folder, "smooth.png");
    await writeChroma(path, { data, width, height }, origin);
    expect((await stat(path)).size).toBeLessThan(data.byteLength / 4);
  });

  it("says when it is gone, or no chroma", async () => {
    await expect(readChroma(join(folder, "none.png"))).rejects.toMatchObject({ code: "unreadable-file" });
    await writeFile(join(folder, "bad.png"), "no picture");
    await expect(readChroma(join(folder, "bad.png"))).rejects.toMatchObject({ code: "damaged-image" });
  });
});
