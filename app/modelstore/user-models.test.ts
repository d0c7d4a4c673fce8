import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openUserModels } from "./index.ts";

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-user-models-"));
  folder = join(root, "models");
  await mkdir(join(folder, "sub"), { recursive: true });
  await writeFile(join(root, "outside.onnx"), "outside");
  await writeFile(join(folder, "b.onnx"), "b");
  await writeFile(join(folder, "A.ONNX"), "a");
});
afterEach(() => rm(root, { recursive: true }));

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("the user's models", () => {
  it("are the ONNX files of the folder, whenever they are put there", async () => {
    const models = openUserModels(folder);
    await mkdir(join(folder, "folder.onnx"));
    await writeFile(join(folder, ".hidden.onnx"), "");
    await writeFile(join(folder, "notes.txt"), "");
    expect(models.names()).toEqual(["A.ONNX", "b.onnx"]);
    await writeFile(join(folder, "c.onnx"), "c");
    expect(models.names()).toEqual(["A.ONNX", "b.onnx", "c.onnx"]);
    expect(openUserModels(join(root, "nowhere")).names()).toEqual([]);
  });

  it("are found by exactly these names: nothing else on the disk is", async () => {
    const models = openUserModels(folder);
    await writeFile(join(folder, "sub", "deep.onnx"), "deep");
    for (const name of [
      "../outside.onnx",
      join(root, "outside.onnx"),
      "sub/deep.onnx",
      "./b.onnx",
      "B.onnx",
      "b.onnx\0",
      "",
      ".",
      "__proto__",
    ]) {
      await expect(models.find(name)).rejects.toMatchObject({ code: "model-missing" });
    }
  });

  it.runIf(process.platform !== "win32")("may be links, but not to what lies outside", async () => {
    const models = openUserModels(folder);
    await symlink(join(root, "outside.onnx"), join(folder, "out.onnx"));
    await symlink(root, join(folder, "folder.onnx"));
    await symlink(join(folder, "none"), join(folder, "dead.onnx"));
    await symlink("b.onnx", join(folder, "in.onnx"));
    expect(models.names()).toEqual(["A.ONNX", "b.onnx", "in.onnx"]);
    expect((await models.find("in.onnx")).sha256).toBe(sha256("b"));
    await expect(models.find("out.onnx")).rejects.toMatchObject({ code: "model-missing" });
  });

  it("carry the digest of what the file is now", async () => {
    const models = openUserModels(folder);
    expect(await models.find("b.onnx")).toMatchObject({ name: "b.onnx", sha256: sha256("b") });
    await writeFile(join(folder, "new"), "other");
    await rename(join(folder, "new"), join(folder, "b.onnx"));
    expect((await models.find("b.onnx")).sha256).toBe(sha256("other"));
  });
});
