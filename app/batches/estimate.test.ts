import { expect, test } from "vitest";
import { silentLogger } from "../kernel/index.ts";
import { readPreset, withSettings } from "../workflow/index.ts";
import { measureMs } from "./estimate.ts";
import { createSurroundings } from "./surroundings.ts";

test("a larger network input takes longer, two networks take longer than one, and pixels alone are not known", async () => {
  const surroundings = createSurroundings({
    ...{ threads: 1, inferenceThreads: 1, limits: { maxMegapixels: 10 }, log: silentLogger() },
    ...{ models: "/nonexistent/models", imageModels: "/nonexistent/image-models" },
  });
  try {
    const graph = await readPreset("quick");
    const at = (modelSize: number) => measureMs(surroundings, withSettings(graph, { modelSize }));
    const [small, large] = [await at(64), await at(512)];
    expect(small).toBeGreaterThan(0);
    expect(large).toBeGreaterThan(small ?? Number.POSITIVE_INFINITY); // 64 times the pixels
    expect(await measureMs(surroundings, { "1": { class_type: "ImageInvert", inputs: {} } })).toBeUndefined();
    expect(surroundings.colorizer.counts.runs).toBe(4);
  } finally {
    await surroundings.close();
  }
});
