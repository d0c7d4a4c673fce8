// Files that are not what they seem: each gives a sentence or a picture, never a crash or a hang, and the pool goes on.
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AutochromeError } from "../kernel/index.ts";
import { closeMetadata, readMetadata } from "./metadata.ts";
import { chromaOf, colourFile, colourInto, LIMITS, sceneOf } from "./testing.ts";
import { createPixelWorkers, type PixelWorkers } from "./workers.ts";

const W = 400;
const H = 300;

let workers: PixelWorkers;
let folder: string;
beforeAll(() => {
  workers = createPixelWorkers({ threads: 2, limits: LIMITS });
});
afterAll(() => Promise.all([workers.close(), closeMetadata()]));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-bad-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function failureOf(work: Promise<unknown>): Promise<AutochromeError> {
  const outcome = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(outcome instanceof AutochromeError))
    throw new Error(`expected an AutochromeError, got ${String(outcome)}`);
  expect(outcome.message).toMatch(/^[^\n]+\.$/); // one sentence
  expect(outcome.next).toMatch(/\.$/);
  return outcome;
}

/** All that is done with a photo fails with this code, leaves no file behind, and a good photo goes through after it. */
async function expectRefusal(source: string, code: string | RegExp): Promise<void> {
  const out = join(folder, "out");
  await mkdir(out, { recursive: true });
  expect((await failureOf(workers.ingest(source, join(out, "thumbnail.webp")))).code).toMatch(code);
  expect((await failureOf(colourFile(workers, source, out))).code).toMatch(code);
  expect((await readdir(out)).filter((name) => name !== "thumbnail.webp")).toEqual([]);
  await expectWorking();
}

async function expectWorking(): Promise<void> {
  const good = join(folder, "good.png");
  await sceneOf(32, 24, 3, 8).png().toFile(good);
  const out = await mkdtemp(join(folder, "good-"));
  expect((await colourFile(workers, good, out)).facts).toMatchObject({ width: 32, height: 24 });
}

describe.each(["jpg", "png", "tif", "webp", "gif", "avif"])("a .%s that is cut off", (extension) => {
  test.each([0.02, 0.3, 0.6, 0.95])("after %d of its length", async (share) => {
    const source = join(folder, `photo.${extension}`);
    const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
    const image = sharp({ create: { width: W, height: H, channels: 3, background: "#888", noise } });
    await (extension === "tif" ? image.tiff({ compression: "lzw" }) : image).toFile(source);
    await truncate(source, Math.floor((await stat(source)).size * share));
    await expectRefusal(source, "damaged-image");
  });
});

test("a progressive JPEG that is cut off", async () => {
  const source = join(folder, "photo.jpg");
  await sceneOf(W, H, 3, 8).jpeg({ progressive: true }).toFile(source);
  await truncate(source, Math.floor((await stat(source)).size * 0.7));
  await expectRefusal(source, "damaged-image");
});

test("a JPEG with rubbish among its pixels gives a picture or a sentence", async () => {
  const source = join(folder, "photo.jpg");
  await sceneOf(W, H, 3, 8).jpeg().toFile(source);
  const bytes = await readFile(source);
  for (let at = Math.floor(bytes.length / 2); at < bytes.length - 2; at += 97) bytes[at] = at & 0xff;
  await writeFile(source, bytes);
  const outcome = await colourFile(workers, source, folder).then(
    () => "done",
    (error: unknown) => error,
  );
  if (outcome !== "done") expect(outcome).toMatchObject({ code: "damaged-image" });
  await expectWorking();
});

test.each([
  ["nothing", Buffer.alloc(0), "empty-file"],
  ["zeros", Buffer.alloc(100_000), "not-an-image"],
  ["text", Buffer.from("Dear Sir or Madam,\n".repeat(100)), "not-an-image"],
  ["one byte", Buffer.from([0xff]), "not-an-image"],
  ["the first bytes of a JPEG", Buffer.from([0xff, 0xd8, 0xff, 0xe0]), "damaged-image"],
  ["the first bytes of a PNG", Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), "damaged-image"],
  ["the first bytes of a TIFF", Buffer.from("II*\0\x08\0\0\0", "latin1"), "damaged-image"],
  ["a PDF", Buffer.from("%PDF-1.7\n%âãÏÓ\n1 0 obj\n"), "unsupported-image"],
  [
    "a Photoshop document",
    Buffer.from("8BPS\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x10\0\0\0\x10\0\x08\0\x03", "latin1"),
    "unsupported-image",
  ],
  ["an SVG", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'), "not-an-image"],
  ["a Canon raw", Buffer.from("II*\0\x10\0\0\0CR\x02\0\0\0\0\0", "latin1"), "unsupported-image"],
  ["a cut-off HEIC", Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "latin1"), "unsupported-image"],
])("a .jpg that holds %s", async (_, content, code) => {
  const source = join(folder, "photo.jpg");
  await writeFile(source, content);
  await expectRefusal(source, code);
});

test("a HEIC photo: sharp's build has no decoder for its codec, and the sentence says so", async () => {
  const avif = await sceneOf(64, 48, 3, 8).avif().toBuffer();
  const source = join(folder, "photo.heic");
  await writeFile(source, asHeic(avif));
  expect((await sharp(source).metadata()).compression).toBe("hevc"); // its header can be read
  const error = await failureOf(workers.load(source, join(folder, "scratch")));
  expect(error).toMatchObject({
    code: "unsupported-image",
    message: "photo.heic is a HEIC file, which cannot be opened here.",
  });
  await expectRefusal(source, "unsupported-image");
});

/**
 * An AVIF as a well-formed HEIC: its brand, the name of its codec, and that codec's configuration, which is longer, so
 * that the boxes around it grow and the pixels lie further on.
 */
function asHeic(avif: Buffer): Buffer {
  const at = (name: string) => avif.indexOf(name) - 4;
  const configuration = Buffer.alloc(31);
  configuration.writeUInt32BE(31);
  configuration.write("hvcC", 4);
  configuration.set(
    [1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 90, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f],
    8,
  );
  const start = at("av1C");
  const length = avif.readUInt32BE(start);
  const grown = configuration.length - length;
  const heic = Buffer.concat([avif.subarray(0, start), configuration, avif.subarray(start + length)]);
  const add = (place: number) => heic.writeUInt32BE(heic.readUInt32BE(place) + grown, place);
  for (const box of ["meta", "iprp", "ipco"]) add(at(box));
  add(at("iloc") + 20); // where the only item begins
  return Buffer.from(
    heic.toString("latin1").replaceAll("ftypavif", "ftypheic").replaceAll("av01", "hvc1"),
    "latin1",
  );
}

test("content counts, not the name: a PNG called .jpg is coloured as the PNG it is, with a note", async () => {
  const source = join(folder, "photo.jpg");
  await sceneOf(40, 30, 3, 8).png().toFile(source);
  const { target, notes } = await colourFile(workers, source, folder);
  expect(target).toMatch(/\.png$/);
  expect(notes).toEqual(['The file is a PNG although its name ends in ".jpg".']);
});

test.each([
  [1, 1],
  [1, 20_000],
  [20_000, 1],
  [2, 3],
])("a photo of %i × %i is coloured", async (width, height) => {
  for (const name of ["photo.png", "photo.tif", "photo.jpg"]) {
    const source = join(folder, name);
    await sharp({ create: { width, height, channels: 3, background: "#777" } }).toFile(source);
    const { result } = await colourFile(workers, source, folder);
    expect(result).toMatchObject({ width, height });
    expect((await workers.ingest(source, join(folder, `${name}.webp`))).facts).toMatchObject({
      width,
      height,
    });
  }
});

/** A PNG that says it is so large, and then has one row of pixels at most. */
function headerOnly(width: number, height: number, rows: number): Buffer {
  const chunk = (type: string, content: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), content]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.length);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bit, RGB
  const pixels = deflateSync(Buffer.alloc(rows * (1 + width * 3)));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    ...(rows > 0 ? [chunk("IDAT", pixels)] : []),
    ...(rows > 0 ? [chunk("IEND", Buffer.alloc(0))] : []),
  ]);
}

test("a header that claims 900 megapixels is refused at once", async () => {
  const source = join(folder, "bomb.png");
  await writeFile(source, headerOnly(30_000, 30_000, 0));
  await expectRefusal(source, /image-too-large|damaged-image/);
  await writeFile(source, headerOnly(30_000, 30_000, 1));
  const error = await failureOf(workers.ingest(source, undefined));
  expect(error.code).toBe("image-too-large");
  expect(error.message).toBe(
    "bomb.png says it is 30000 × 30000 pixels, more than the limit of 600 megapixels.",
  );
});

test("a header that claims less than the limit, with one row of pixels after it", async () => {
  const source = join(folder, "bomb.png");
  await writeFile(source, headerOnly(20_000, 20_000, 1));
  await expectRefusal(source, "damaged-image");
});

test("a strip that is longer than any screen", async () => {
  const source = join(folder, "strip.png");
  await writeFile(source, headerOnly(2_000_000, 1, 1));
  await expectRefusal(source, "image-too-large");
});

test("more channels than colours", async () => {
  const source = join(folder, "multispectral.tif");
  const planes = Buffer.alloc(16 * 16 * 3, 100);
  const one = { raw: { width: 16, height: 16, channels: 3 as const } };
  await sharp(planes, one).joinChannel([planes, planes], one).tiff({ compression: "none" }).toFile(source);
  await expectRefusal(source, "unsupported-image");
});

test("a photo that is gone", async () => {
  await expectRefusal(join(folder, "gone.jpg"), "not-found");
});

test("a folder called like a photo", async () => {
  const source = join(folder, "folder.jpg");
  await mkdir(source);
  await expectRefusal(source, /not-an-image|unreadable-file/);
});

test("a named pipe is not waited for", async ({ skip }) => {
  if (process.platform === "win32") return skip("no named pipes in folders");
  const source = join(folder, "pipe.jpg");
  execFileSync("mkfifo", [source]);
  await expectRefusal(source, "not-an-image");
});

test("what may not be read", async ({ skip }) => {
  // Root reads everything but the memory of a process at address 0: /proc/self/mem gives an I/O error.
  if (process.platform !== "linux") return skip("needs /proc");
  expect((await failureOf(workers.ingest("/proc/self/mem", undefined))).code).toMatch(
    /unreadable-file|not-an-image|empty-file/,
  );
  if (process.getuid?.() === 0) return;
  const source = join(folder, "secret.jpg");
  await sceneOf(16, 16, 3, 8).toFile(source);
  execFileSync("chmod", ["000", source]);
  await expectRefusal(source, "unreadable-file");
});

test.each([
  "📷🌻.png",
  "line\nbreak.png",
  `${"n".repeat(251)}.png`,
  "祖母的照片，一九三六年.png",
  "dots....png",
  "ends with a bracket]",
  "options[page=3].png",
  "[brackets]",
  "-dash.png",
  " spaces .png",
  "%d %s %f.png",
  "quote'\".png",
  "Ünïcode (NFD).png".normalize("NFD"),
  "photo.png.",
])("a photo called %j is read like any other", async (name) => {
  const source = join(folder, name);
  const plain = join(folder, "plain.png");
  await sceneOf(40, 30, 3, 8).withMetadata({ orientation: 1 }).png().toFile(plain);
  await writeFile(source, await readFile(plain));
  const before = await readFile(source);
  expect((await workers.ingest(source, join(folder, "thumbnail.webp"))).facts).toMatchObject({
    width: 40,
    height: 30,
  });
  const { facts } = await colourFile(workers, source, folder);
  expect(facts).toMatchObject({ format: "png", width: 40, height: 30 });
  expect(await readMetadata(source)).toMatchObject({ people: [] });
  expect(await readFile(source)).toEqual(before);
});

describe("a full disk", () => {
  const mount = join(tmpdir(), `autochrome-full-${process.pid}`);
  let mounted = false;
  beforeAll(async () => {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return;
    await mkdir(mount, { recursive: true });
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], { stdio: "ignore" });
      mounted = true;
    } catch {
      // not allowed in this container
    }
  });
  afterAll(async () => {
    if (mounted) execFileSync("umount", [mount]);
    await rm(mount, { recursive: true, force: true });
  });

  const formats = ["jpeg", "png", "tiff", "webp", "avif"] as const;
  test.for(formats)("while a %s is written", async (format, { skip }) => {
    skip(!mounted, "a small disk can only be mounted by root on Linux");
    const source = join(folder, "photo.png");
    const noise = { type: "gaussian", mean: 128, sigma: 60 } as const;
    await sharp({ create: { width: 1600, height: 1200, channels: 3, background: "#888", noise } }).toFile(
      source,
    );
    const error = await failureOf(colourFile(workers, source, mount, { format }));
    expect(error.code).toBe("disk-full");
    expect(await readdir(mount)).toEqual([]);
    await expectWorking();
  });

  test("while a large photo is spread out beside its result", async ({ skip }) => {
    skip(!mounted, "a small disk can only be mounted by root on Linux");
    const source = join(folder, "large.png");
    await sharp({ create: { width: 6000, height: 4000, channels: 3, background: "#888" } }).toFile(source);
    const error = await failureOf(
      colourInto(
        workers,
        source,
        join(mount, "out.png"),
        chromaOf(8, 8, () => [9, 9]),
      ),
    );
    expect(error.code).toBe("disk-full");
    expect(await readdir(mount)).toEqual([]);
    await expectWorking();
  });
});

describe("stopping", () => {
  test("takes effect between steps, with the signal's reason, and leaves nothing", async () => {
    const source = join(folder, "photo.png");
    await sharp({ create: { width: 6000, height: 4000, channels: 3, background: "#888" } })
      .png({ compressionLevel: 1 })
      .toFile(source);
    for (const delay of [0, 30, 150, 400]) {
      const out = await mkdtemp(join(folder, "out-"));
      const abort = new AbortController();
      const chroma = chromaOf(32, 32, () => [20, 20]);
      const target = join(out, "result.png");
      const work = colourInto(workers, source, target, chroma, { signal: abort.signal });
      const reason = new Error("changed my mind");
      setTimeout(() => abort.abort(reason), delay);
      await expect(work).rejects.toBe(reason);
      expect((await readdir(out)).filter((name) => name !== "result.png")).toEqual([]);
    }
    await expectWorking();
  });

  test("a task that waits its turn is never begun", async () => {
    const source = join(folder, "photo.png");
    await sceneOf(2000, 2000, 3, 8).png().toFile(source);
    const abort = new AbortController();
    const works = Array.from({ length: 6 }, (_, i) =>
      workers.ingest(source, join(folder, `${i}.webp`), abort.signal).catch((error: unknown) => error),
    );
    abort.abort(new Error("no more"));
    for (const outcome of await Promise.all(works)) expect(outcome).toMatchObject({ message: "no more" });
    expect((await readdir(folder)).filter((name) => name.endsWith(".webp")).length).toBeLessThanOrEqual(2);
    await expect(workers.ingest(source, undefined, abort.signal)).rejects.toThrow("no more");
    await expectWorking();
  });
});
