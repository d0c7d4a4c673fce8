import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeComparisonPage } from "./comparison-page.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-page-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function picture(name: string, width: number, height: number): Promise<string> {
  const path = join(folder, name);
  await sharp({ create: { width, height, channels: 3, background: "#997755" } })
    .withExif({ IFD0: { ImageDescription: "SECRET-PLACE" } })
    .jpeg()
    .toFile(path);
  return path;
}

/** Tags of a page as names and attributes; throws where a "<" or an attribute is not well formed. */
function tags(html: string): { name: string; attributes: Map<string, string> }[] {
  const found = [];
  for (const [, name, rest] of html
    .replaceAll(/(<(?:style|script)>)[\s\S]*?(<\/)/g, "$1$2")
    .matchAll(/<([a-z!][a-z0-9]*)\b([^>]*)>/g)) {
    const attributes = new Map<string, string>();
    const left = rest!.replaceAll(/\s([a-z-]+)(?:="([^"<>]*)")?/g, (_, key: string, value: string) => {
      attributes.set(key, value ?? "");
      return "";
    });
    if (left.trim() !== "") throw new Error(`stray text in <${name}>: ${left}`);
    found.push({ name: name!, attributes });
  }
  return found;
}

function pictures(html: string): Buffer[] {
  return [...html.matchAll(/src="data:image\/jpeg;base64,([^"]+)"/g)].map(([, data]) =>
    Buffer.from(data!, "base64"),
  );
}

const HOSTILE = [
  `"><script>alert(1)</script>`,
  `x" onfocus="alert(1)" style="color:red`,
  `</title></label><img src=http://example.org/x.png>`,
  "&lt;script&gt; ' ]]> --> \0 \u202e 外婆",
];

test("hostile titles stay text: no element, attribute or address of theirs appears", async () => {
  const photo = await picture("a.jpg", 60, 40);
  const target = join(folder, "page.html");
  await makeComparisonPage(
    HOSTILE.map((title) => ({ title, titleZh: title, before: photo, after: photo })),
    target,
    { title: HOSTILE[0]!, titleZh: HOSTILE[2]! },
  );
  const all = tags(await readFile(target, "utf8"));
  const count = (name: string) => all.filter((tag) => tag.name === name).length;
  expect([count("script"), count("style"), count("img"), count("input")]).toEqual([1, 1, 8, 4]);
  for (const { name, attributes } of all) {
    for (const [key, value] of attributes) {
      expect(key).not.toMatch(/^(on.*|style|href|srcset|action)$/);
      if (key === "src") expect(value, name).toMatch(/^data:image\/jpeg;base64,/);
    }
  }
  expect((await readdir(folder)).sort()).toEqual(["a.jpg", "page.html"]);
});

test("the policy allows this page's own style and script and nothing else", async () => {
  const photo = await picture("a.jpg", 60, 40);
  const target = join(folder, "page.html");
  await writeFile(target, "old");
  await makeComparisonPage([{ title: "One", before: photo, after: photo }], target, { title: "Page" });
  const html = await readFile(target, "utf8");
  const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? "";
  const digest = (element: string) => {
    const text = new RegExp(`<${element}>([\\s\\S]*?)</${element}>`).exec(html)?.[1] ?? "";
    expect(text.length).toBeGreaterThan(100);
    expect(text).not.toMatch(/https?:|@import|url\(/);
    return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  };
  expect(policy.split("; ").sort()).toEqual(
    [
      "base-uri 'none'",
      "default-src 'none'",
      "form-action 'none'",
      "img-src data:",
      `script-src ${digest("script")}`,
      `style-src ${digest("style")}`,
    ].sort(),
  );
});

test("pictures are at most 1600 px, of one size per pair, upright, and without metadata", async () => {
  const before = await picture("before.jpg", 2400, 1200);
  const after = await picture("after.jpg", 2400, 1200);
  const small = join(folder, "small.jpg");
  await sharp({ create: { width: 50, height: 80, channels: 3, background: "#888" } })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toFile(small);
  const target = join(folder, "page.html");
  await makeComparisonPage(
    [
      { title: "Large", before, after },
      { title: "Small", before: small, after: small },
    ],
    target,
    { title: "Page" },
  );
  const html = await readFile(target, "utf8");
  const sizes = [];
  for (const jpeg of pictures(html)) {
    const { width, height, exif, xmp, iptc, orientation } = await sharp(jpeg).metadata();
    sizes.push([width, height]);
    expect([exif, xmp, iptc, orientation]).toEqual([undefined, undefined, undefined, undefined]);
    expect(jpeg.includes("SECRET-PLACE")).toBe(false);
  }
  expect(sizes).toEqual([
    [1600, 800],
    [1600, 800],
    [80, 50],
    [80, 50],
  ]);
});

test("each photo has a labelled slider, and every text for people is there in both languages", async () => {
  const photo = await picture("a.jpg", 60, 40);
  const target = join(folder, "page.html");
  await makeComparisonPage(
    [
      { title: "Grandmother", titleZh: "外婆", before: photo, after: photo },
      { title: "No Chinese", before: photo, after: photo },
    ],
    target,
    { title: "Page", titleZh: "页面" },
  );
  const html = await readFile(target, "utf8");
  const all = tags(html);
  for (const { attributes } of all.filter(({ name }) => name === "input")) {
    expect(attributes.get("type")).toBe("range");
    const id = attributes.get("id");
    expect(all.some((tag) => tag.name === "label" && tag.attributes.get("for") === id)).toBe(true);
    expect(html).toContain(`id="${attributes.get("aria-describedby")}"`);
  }
  expect(html).toContain(`data-zh="外婆">Grandmother</label>`);
  expect(html).toContain(`data-zh="No Chinese">No Chinese</label>`);
  expect(html).toContain(`<h1 data-zh="页面">Page</h1>`);
  for (const { attributes } of all.filter(({ name }) => name === "img")) {
    expect(attributes.get("alt")).toMatch(/, (coloured|the original)$/);
    expect(attributes.get("data-zh-alt")).toMatch(/，(上色后|原片)$/);
  }
});

test("no pairs is an error", async () => {
  await expect(makeComparisonPage([], join(folder, "page.html"), { title: "" })).rejects.toMatchObject({
    code: "usage",
  });
});
