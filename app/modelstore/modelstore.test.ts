import { copyFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { embeddedModel, openModelStore, PUBLISHED, verifyModel } from "./index.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-models-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("the model store", () => {
  it("has the embedded model, intact and no larger than 16 MB", async () => {
    const model = embeddedModel();
    expect(await verifyModel(model)).toBe("intact");
    expect(model.size).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  it("has the embedded model, and what is put in with a record", async () => {
    const store = openModelStore(join(folder, "store"));
    expect(store.list()).toEqual([embeddedModel()]);
    expect(() => store.find("nonesuch")).toThrow(expect.objectContaining({ code: "model-missing" }));
    expect(() => store.find("ddcolor-modelscope")).toThrow(
      expect.objectContaining({ next: expect.stringContaining("models pull ddcolor-modelscope") }),
    );
    const file = join(folder, "some.onnx");
    await writeFile(file, "some");
    const { path: _, ...record } = { ...embeddedModel(), id: "ddcolor-modelscope", origin: "some.onnx" };
    const model = await store.add(file, record);
    expect(store.find("ddcolor-modelscope")).toEqual(model);
    expect(store.byName("ddcolor_modelscope.pth")).toEqual(model);
    expect(store.list().map(({ id }) => id)).toEqual(["autochrome-small", "ddcolor-modelscope"]);
    expect(await readFile(model.path, "utf8")).toBe("some");
    await store.remove("ddcolor-modelscope");
    expect(store.list()).toEqual([embeddedModel()]);
    expect(await readdir(store.folder)).toEqual([]);
    await expect(store.remove("ddcolor-modelscope")).rejects.toMatchObject({ code: "model-missing" });
  });

  it("neither replaces nor removes the embedded model", async () => {
    const store = openModelStore(join(folder, "store"));
    const { path, ...record } = { ...embeddedModel(), origin: "x" };
    await expect(store.add(path, record)).rejects.toMatchObject({ code: "usage" });
    await expect(store.remove("autochrome-small")).rejects.toMatchObject({ code: "usage" });
  });

  it("believes no record that is damaged, of another name, or without its file", async () => {
    const store = openModelStore(join(folder, "bad"));
    const file = join(folder, "other.onnx");
    await writeFile(file, "other");
    const { path: _, ...record } = { ...embeddedModel(), id: "mine", origin: "x" };
    await store.add(file, record);
    await copyFile(join(store.folder, "mine.json"), join(store.folder, "yours.json"));
    await writeFile(join(store.folder, "broken.json"), "{");
    expect(store.list().map(({ id }) => id)).toEqual(["autochrome-small", "mine"]);
    await rm(join(store.folder, "mine.onnx"));
    expect(store.list()).toEqual([embeddedModel()]);
  });

  it("has a manifest of distinct ids and digests, each to be fetched, to be recognised, or with the program", () => {
    const ids = PUBLISHED.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const digests = PUBLISHED.flatMap(({ sha256 }) => sha256 ?? []);
    expect(new Set(digests).size).toBe(digests.length);
    for (const { file, sources = [], sha256 } of PUBLISHED) {
      expect(file !== undefined || sources.length > 0 || sha256 !== undefined).toBe(true);
    }
  });

  it("tells a missing, a shortened and a changed file from an intact one", async () => {
    const model = embeddedModel();
    const at = (name: string) => ({ ...model, path: join(folder, name) });
    expect(await verifyModel(at("none.onnx"))).toBe("missing");
    await copyFile(model.path, at("short.onnx").path);
    await truncate(at("short.onnx").path, model.size - 1);
    expect(await verifyModel(at("short.onnx"))).toBe("damaged");
    await writeFile(at("other.onnx").path, Buffer.alloc(model.size));
    expect(await verifyModel(at("other.onnx"))).toBe("damaged");
  });
});
