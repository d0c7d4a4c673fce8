import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { AutochromeError, createNames, isInside, portableName, realTarget, resolveInside } from "./index.ts";

test("no text from outside leads out of the root", () => {
  const piece = fc.oneof(
    fc.constantFrom("..", ".", "", "a", "b.jpg", "…", "C:", "\0", "~", "a\\..\\b", "%2e%2e"),
    fc.string({ unit: "binary", maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.boolean(), (pieces, absolute) => {
      const root = "/library/photos";
      const text = (absolute ? "/" : "") + pieces.join("/");
      try {
        expect(isInside(root, resolveInside(root, text))).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(AutochromeError);
        expect((error as AutochromeError).code).toBe("path-outside");
      }
    }),
  );
});

test("a sibling whose name begins alike is outside", () => {
  expect(isInside("/a/photos", "/a/photos-old/x.jpg")).toBe(false);
  expect(isInside("/a/photos", "/a/photos/..x/y.jpg")).toBe(true);
  expect(isInside("/", "/anything")).toBe(true);
});

test("a portable name is one name, at most 255 bytes, and stays as it was when it can", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.constantFrom("", ".png", ".jpeg"),
      (stem, suffix) => {
        const name = portableName(stem, suffix);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
        expect(Buffer.byteLength(name)).toBeGreaterThan(suffix.length);
        expect(name.endsWith(suffix)).toBe(true);
        expect(/[\p{Cc}/\\:*?"<>|]/u.test(name.replaceAll(/[\u0080-\u009f]/g, ""))).toBe(false);
        expect(/[. ]$/.test(name)).toBe(false);
        expect(["", ".", ".."]).not.toContain(name);
        expect(name.isWellFormed()).toBe(true);
      },
    ),
  );
  expect(portableName("外婆 1936 👵", ".jpg")).toBe("外婆 1936 👵.jpg");
  expect(portableName("con", ".jpg")).toBe("_con.jpg");
  expect(portableName("trailing dots...")).toBe("trailing dots");
  expect(portableName("new\nline", ".png")).toBe("new_line.png");
  expect(Buffer.byteLength(portableName("照".repeat(200), ".tiff"))).toBeLessThanOrEqual(255);
});

test("the real target of a path that does not exist yet goes through symlinks", async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "autochrome-paths-")));
  await mkdir(join(folder, "real"));
  await writeFile(join(folder, "real", "a.jpg"), "");
  await symlink(join(folder, "real"), join(folder, "link"));
  expect(await realTarget(join(folder, "link", "new", "b.jpg"))).toBe(join(folder, "real", "new", "b.jpg"));
  expect(await realTarget(join(folder, "link", "a.jpg"))).toBe(resolve(folder, "real", "a.jpg"));
  await rm(folder, { recursive: true });
});

describe("createNames", () => {
  it("keeps paths apart that a disk may take for the same, in the same way every time", () => {
    const wished = ["/o/a.png", "/o/A.PNG", "/o/b.png", "/o/a.png", "/o/é.png", "/o/e\u0301.png"];
    const given = wished.map(createNames());
    expect(given).toEqual([
      "/o/a.png",
      "/o/A (2).PNG",
      "/o/b.png",
      "/o/a (3).png",
      "/o/é.png",
      "/o/é (2).png",
    ]);
    expect(wished.map(createNames())).toEqual(given);
  });

  it("never gives the same path twice, nor a name too long for a disk", () => {
    const name = fc.oneof(fc.constantFrom("a", "A", "b", "a (2)"), fc.constant("x".repeat(251)));
    fc.assert(
      fc.property(fc.array(name, { maxLength: 30 }), (names) => {
        const give = createNames();
        const paths = names.map((stem) => give(`/o/${stem}.jpg`).toLowerCase());
        expect(new Set(paths).size).toBe(paths.length);
        for (const path of paths) expect(Buffer.byteLength(path) - "/o/".length).toBeLessThanOrEqual(255);
      }),
    );
  });
});
