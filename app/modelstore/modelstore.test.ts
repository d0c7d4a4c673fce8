import { copyFile, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findModel, listModels, verifyModel } from "./index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-models-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("the model store", () => {
  it("has the embedded model, intact and no larger than 16 MB", async () => {
    const model = findModel("autochrome-small");
    expect(await verifyModel(model)).toBe("intact");
    expect(model.size).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  it("finds every model of the manifest by its id, and says which there are", () => {
    for (const model of listModels()) expect(findModel(model.id)).toBe(model);
    expect(() => findModel("nonesuch")).toThrow(expect.objectContaining({ code: "model-missing" }));
    expect(() => findModel("nonesuch")).toThrow(/nonesuch/);
  });

  it("tells a missing, a shortened and a changed file from an intact one", async () => {
    const model = findModel("autochrome-small");
    const at = (name: string) => ({ ...model, path: join(folder, name) });
    expect(await verifyModel(at("none.onnx"))).toBe("missing");
    await copyFile(model.path, at("short.onnx").path);
    await truncate(at("short.onnx").path, model.size - 1);
    expect(await verifyModel(at("short.onnx"))).toBe("damaged");
    await writeFile(at("other.onnx").path, Buffer.alloc(model.size));
    expect(await verifyModel(at("other.onnx"))).toBe("damaged");
  });
});
