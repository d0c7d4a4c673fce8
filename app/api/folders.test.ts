import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isInside } from "../kernel/index.ts";
import type { Written } from "../workflow/index.ts";
import { annotated, expandPrefix, type Folders, namesOf, openFolders } from "./folders.ts";

let root: string;
let folders: Folders;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "autochrome-folders-")));
  folders = await openFolders(root);
});
afterEach(() => rm(root, { recursive: true }));

const written: Written = { width: 1, height: 1, format: "png", making: [], notes: [] };
const save = (prefix: string, options: { isPreview?: boolean; extension?: string; content?: string } = {}) =>
  folders.save(
    { prefix, extension: options.extension ?? ".png", isPreview: options.isPreview ?? false },
    async (path) => {
      await writeFile(path, options.content ?? "x", { flag: "wx" });
      return written;
    },
  );

describe("results", () => {
  it("are numbered after the highest that is there, whatever its extension", async () => {
    expect(await save("ComfyUI")).toEqual({ filename: "ComfyUI_00001_.png", subfolder: "", type: "output" });
    expect((await save("ComfyUI")).filename).toBe("ComfyUI_00002_.png");
    await writeFile(join(root, "output", "ComfyUI_00041_.tif"), "");
    await writeFile(join(root, "output", "comfyui_00043_.png"), "");
    await writeFile(join(root, "output", "ComfyUI_7_notes.txt"), "");
    await writeFile(join(root, "output", "ComfyUI_other_00099_.png"), "");
    expect((await save("ComfyUI", { extension: ".jpg" })).filename).toBe("ComfyUI_00044_.jpg");
    expect((await save("other")).filename).toBe("other_00001_.png");
    await writeFile(join(root, "output", "big_99999_.png"), "");
    expect((await save("big")).filename).toBe("big_100000_.png");
  });

  it("never take each other's number, fifty at once, nor that of another process", async () => {
    const other = await openFolders(root);
    const names = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const { filename } = await (i % 2 === 0 ? folders : other).save(
          { prefix: "a/b", extension: ".png", isPreview: false },
          async (path) => {
            await writeFile(path, String(i));
            return written;
          },
        );
        return [filename, String(i)] as const;
      }),
    );
    expect(new Set(names.map(([name]) => name)).size).toBe(50);
    for (const [name, content] of names)
      expect(await readFile(join(root, "output", "a", name), "utf8")).toBe(content);
    expect((await readdir(join(root, "output", "a"))).length).toBe(50);
  });

  it("go into subfolders, previews into temp under a name of their own", async () => {
    expect(await save("album/1936/外婆")).toEqual({
      filename: "外婆_00001_.png",
      subfolder: "album/1936",
      type: "output",
    });
    expect(await save("./a//b/")).toEqual({ filename: "b_00001_.png", subfolder: "a", type: "output" });
    expect(await save("")).toMatchObject({ filename: "ComfyUI_00001_.png" });
    const preview = await save("preview", { isPreview: true });
    expect(preview.type).toBe("temp");
    expect(preview.filename).toMatch(/^preview_temp_[a-z]{5}_00001_\.png$/);
  });

  it("leave nothing when they fail", async () => {
    const failing = folders.save({ prefix: "a", extension: ".png", isPreview: false }, async (path) => {
      await writeFile(path, "half");
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await readdir(join(root, "output"))).toEqual([]);
  });

  it.each(["../x", "a/../../x", "/tmp/x", "..", "a\\..\\x", "C:/x", "a\0b", "~/../../x/.."])(
    "refuse the prefix %j",
    async (prefix) => {
      await expect(save(prefix)).rejects.toMatchObject({ code: "path-outside" });
      expect(await readdir(join(root, "output"))).toEqual([]);
    },
  );

  it.each([".hidden", "nul", "a/con/b", "a\nb", "x".repeat(300), "a]"])(
    "refuse the name %j",
    async (prefix) => {
      await expect(save(prefix)).rejects.toMatchObject({ code: "usage" });
    },
  );

  it("are not led out by a link, or by a date pattern that hides a path", async () => {
    await mkdir(join(root, "outside"));
    await symlink(join(root, "outside"), join(root, "output", "out"));
    await expect(save("out/x")).rejects.toMatchObject({ code: "path-outside" });
    await expect(save("out/new/x")).rejects.toMatchObject({ code: "path-outside" });
    await expect(save("%date:../../%x")).rejects.toMatchObject({ code: "path-outside" });
    expect(await readdir(join(root, "outside"))).toEqual([]);
  });
});

describe("patterns", () => {
  const now = new Date(2026, 2, 4, 5, 6, 7);
  it.each([
    ["%year%-%month%-%day%", "2026-03-04"],
    ["%hour%%minute%%second%", "050607"],
    ["%date:yyyy-MM-dd%/x", "2026-03-04/x"],
    ["%date:yy-M-d hhmmss%", "26-3-4 050607"],
    ["%date%", "2026-03-04"],
    ["%width%_%constructor%_%%_100%", "%width%_%constructor%_%%_100%"],
    ["plain", "plain"],
  ])("%s", (prefix, expanded) => expect(expandPrefix(prefix, now)).toBe(expanded));
});

describe("finding", () => {
  beforeEach(async () => {
    await mkdir(join(root, "input", "album"));
    await writeFile(join(root, "input", "a.jpg"), "");
    await writeFile(join(root, "input", "b.txt"), "");
    await writeFile(join(root, "input", ".hidden.png"), "");
    await writeFile(join(root, "input", "album", "c.png"), "");
    await writeFile(join(root, "output", "o.png"), "");
    await writeFile(join(root, "users", "secret.png"), "");
    await symlink(join(root, "users", "secret.png"), join(root, "input", "link.png"));
    await symlink(join(root, "input", "a.jpg"), join(root, "input", "same.jpg"));
  });

  it("lists pictures of the input folder", () => expect(folders.list()).toEqual(["a.jpg"]));

  it.each([
    ["a.jpg", "input/a.jpg"],
    ["album/c.png", "input/album/c.png"],
    ["o.png [output]", "output/o.png"],
    ["a.jpg [input]", "input/a.jpg"],
    ["same.jpg", "input/a.jpg"],
  ])("finds %s", async (name, path) => {
    expect(folders.find(name)).toBe(join(root, path));
    const { name: filename, type } = annotated(name, "input");
    expect(await folders.locate({ filename, subfolder: "", type })).toBe(join(root, path));
  });

  it.each([
    "o.png",
    "a.jpg [output]",
    "../users/secret.png",
    "link.png",
    "album",
    "",
    ".",
    "..",
    ".hidden.png",
    "/etc/passwd",
    "a\0.jpg",
    "a.jpg/",
    "a.jpg [users]",
  ])("finds nothing under %j", (name) =>
    expect(name === "a.jpg/" ? undefined : folders.find(name)).toBeUndefined(),
  );

  it("never finds or places anything outside, whatever it is called", async () => {
    const part = fc.oneof(
      fc.constantFrom("..", ".", "", "/", "\\", "album", "a.jpg", "%2e%2e", "C:", "\0", "~"),
      fc.string({ maxLength: 6 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 6 }).map((parts) => parts.join("/")),
        async (path) => {
          const found = folders.find(path);
          if (found !== undefined) expect(isInside(join(root, "input"), found)).toBe(true);
          const placed = await folders
            .place({ type: "temp", subfolder: path, filename: "x.png" })
            .catch(() => undefined);
          if (placed !== undefined) expect(isInside(join(root, "temp"), placed)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
    expect((await readdir(root)).sort()).toEqual(["incoming", "input", "output", "temp", "users"]);
  });

  it("takes hidden names only where they are meant", () => {
    expect(namesOf("workflows/.index.json", true)).toEqual(["workflows", ".index.json"]);
    expect(() => namesOf("workflows/.index.json")).toThrow();
    expect(() => namesOf("../.index.json", true)).toThrow();
  });
});
