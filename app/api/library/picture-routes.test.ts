import { copyFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp, { type OverlayOptions, type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  claimItem,
  completeItem,
  createBatch,
  importPhotos,
  listPhotos,
  type Photo,
} from "../../catalogue/index.ts";
import { newId } from "../../kernel/index.ts";
import { pictures, type TilesFacts, tilesSchema } from "./contract.ts";
import { photoRoutes } from "./photo-routes.ts";
import { pictureRoutes } from "./picture-routes.ts";
import { createTestDesk, type TestDesk } from "./testing.ts";

const WIDTH = 2300;
const HEIGHT = 1300;

let test: TestDesk;
let photos: Map<string, Photo>;
let version: string;

beforeAll(async () => {
  test = await createTestDesk((routes, desk) => {
    photoRoutes(routes, desk);
    pictureRoutes(routes, desk);
  });
  await gradient()
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 95 })
    .toFile(join(test.photos, "turned.jpg"));
  await gradient().tiff().toFile(join(test.photos, "large.tif"));
  await test.importSamples();
  photos = new Map(listPhotos(test.desk.library).photos.map((photo) => [photo.name, photo]));
  version = await addVersion("photographer.jpg");
});
afterAll(() => test.close());

/** Red grows to the right, green downwards: every place tells where it is. */
function gradient(width = WIDTH, height = HEIGHT): Sharp {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      pixels[(y * width + x) * 3] = Math.round((255 * x) / width);
      pixels[(y * width + x) * 3 + 1] = Math.round((255 * y) / height);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

const photo = (name: string): Photo => {
  const found = photos.get(name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
};

/** A version as a batch leaves it. */
async function addVersion(name: string): Promise<string> {
  const { library, surroundings } = test.desk;
  const { id: photoId, path, hash } = photo(name);
  createBatch(library.db, { recipe: {}, executor: "test", priority: 0 }, [
    { photoId, source: path, target: (item) => `versions/${item}` },
  ]);
  const item = claimItem(library.db, "me", Date.now() + 1e6, "test");
  if (item === undefined) throw new Error("nothing to do");
  const file = `versions/${item.id}.png`;
  await sharp(path).tint("#aa7744").png().toFile(join(library.folder, file));
  const { width = 0, height = 0 } = await sharp(path).metadata();
  const id = newId();
  completeItem(library.db, item, "me", {
    ms: 1,
    result: {},
    version: {
      id,
      photoId,
      itemId: item.id,
      file,
      fileHash: await surroundings.workers.hash(join(library.folder, file)),
      width,
      height,
      format: "png",
      chroma: undefined,
      sourceHash: hash,
      workflow: {},
      parameters: {},
      modelId: "m",
      modelSha256: "",
      device: "cpu",
      program: "test",
      notes: [],
      createdAt: new Date().toISOString(),
    },
  });
  return id;
}

async function picture(path: string) {
  const response = await test.ask("GET", path);
  expect(response.status, path).toBe(200);
  const bytes = Buffer.from(await response.arrayBuffer());
  const { width = 0, height = 0, format = "" } = await sharp(bytes).metadata();
  return { response, bytes, width, height, format };
}

/** All tiles of a level, put together. */
async function level(
  of: string,
  { width, height, tileSize, levels }: TilesFacts,
  wanted: number,
): Promise<Buffer> {
  const scale = 2 ** (levels - 1 - wanted);
  const size = { width: Math.ceil(width / scale), height: Math.ceil(height / scale) };
  const parts: OverlayOptions[] = [];
  for (let column = 0; column * tileSize < size.width; column++) {
    for (let row = 0; row * tileSize < size.height; row++) {
      const tile = await picture(pictures.tile(of, wanted, column, row));
      expect({ width: tile.width, height: tile.height }).toEqual({
        width: Math.min(tileSize, size.width - column * tileSize),
        height: Math.min(tileSize, size.height - row * tileSize),
      });
      parts.push({ input: tile.bytes, left: column * tileSize, top: row * tileSize });
    }
  }
  return sharp({ create: { ...size, channels: 3, background: "#000" } })
    .composite(parts)
    .removeAlpha()
    .raw()
    .toBuffer();
}

/** Mean difference of levels. */
function difference(one: Uint8Array, other: Uint8Array): number {
  expect(one.length).toBe(other.length);
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += Math.abs((one[at] ?? 0) - (other[at] ?? 0));
  return sum / one.length;
}

async function problem(path: string): Promise<{ status: number; code: string; text: string }> {
  const response = await test.ask("GET", path);
  const text = await response.text();
  const { error } = JSON.parse(text) as { error: { code: string } };
  return { status: response.status, code: error.code, text };
}

describe("thumbnails", () => {
  it("may be kept for ever, and are not sent twice", async () => {
    for (const path of [pictures.thumbnail(photo("chelsea.jpg").id), pictures.versionThumbnail(version)]) {
      const { response, width, height, format } = await picture(path);
      expect(format).toBe("webp");
      expect(Math.max(width, height)).toBeLessThanOrEqual(512);
      expect(response.headers.get("Cache-Control")).toContain("immutable");
      expect(response.headers.get("X-Content-Type-Options")).toBe("nosniff");
      const etag = response.headers.get("ETag") ?? "";
      const again = await test.ask("GET", path, undefined, { "If-None-Match": etag });
      expect([again.status, await again.text()]).toEqual([304, ""]);
    }
  });

  it("are made again when the cache was thrown away", async () => {
    await rm(test.desk.library.thumbnails, { recursive: true });
    const path = pictures.thumbnail(photo("chelsea.jpg").id);
    const all = await Promise.all([picture(path), picture(path), picture(path)]);
    expect(all.every(({ bytes }) => bytes.equals(all[0]?.bytes ?? Buffer.alloc(0)))).toBe(true);
  });

  it("bring a blur to photos that have none", async () => {
    const { db } = test.desk.library;
    const { id } = photo("coffee.jpg");
    await picture(pictures.thumbnail(id));
    db.run(db.build.updateTable("photo").set({ blur: null }).where("id", "=", id));
    await picture(pictures.thumbnail(id));
    const blur = expect.stringMatching(/^[A-Za-z0-9+/=]{20,}$/);
    await vi.waitFor(
      async () => {
        const { body } = await test.json("GET", `/library/photos?ids=${id}`);
        expect(body).toMatchObject({ photos: [{ blur }] });
      },
      { timeout: 30_000 },
    );
  });
});

describe("previews", () => {
  it("are as large as asked for and never larger than the picture", async () => {
    const { id, width, height } = photo("large.tif");
    const small = await picture(pictures.photo(id, 640));
    expect([small.format, small.width, small.height]).toEqual([
      "jpeg",
      640,
      Math.round((640 * height) / width),
    ]);
    const whole = await picture(pictures.photo(id, 8192));
    expect([whole.width, whole.height]).toEqual([width, height]);
    const coloured = await picture(pictures.version(version, 64));
    expect(Math.max(coloured.width, coloured.height)).toBe(64);
  });

  it("are upright", async () => {
    const { id, width, height } = photo("turned.jpg");
    expect([width, height]).toEqual([HEIGHT, WIDTH]);
    const shown = await picture(pictures.photo(id, 500));
    expect([shown.width, shown.height]).toEqual([Math.round((500 * HEIGHT) / WIDTH), 500]);
    const expected = await gradient()
      .rotate(90)
      .resize(shown.width, shown.height, { fit: "fill" })
      .raw()
      .toBuffer();
    expect(difference(await sharp(shown.bytes).raw().toBuffer(), expected)).toBeLessThan(2);
  });

  it("are kept: the original need not be there the next time", async () => {
    const { id, path } = photo("raccoon.jpg");
    const first = await picture(pictures.photo(id, 300));
    await rename(path, `${path}.away`);
    try {
      expect((await picture(pictures.photo(id, 300))).bytes).toEqual(first.bytes);
      expect(await problem(pictures.photo(id, 301))).toMatchObject({ status: 404, code: "not-found" });
    } finally {
      await rename(`${path}.away`, path);
    }
  });

  it("are not made of a file that is another one by now", async () => {
    const { id, path } = photo("lookout-tower.jpg");
    await copyFile(path, `${path}.kept`);
    await copyFile(photo("coffee.jpg").path, path);
    try {
      const { status, code, text } = await problem(pictures.photo(id, 200));
      expect([status, code]).toEqual([404, "not-found"]);
      expect(text).not.toContain(test.photos);
    } finally {
      await rename(`${path}.kept`, path); // its time is another now, its content the same
    }
    await picture(pictures.photo(id, 200));
  });

  it.each(["63", "8193", "big", "-1", "1e9", "640.5"])("have no side of %s", async (side) => {
    const { id } = photo("coffee.jpg");
    expect(await problem(`/library/photos/${id}/picture?side=${side}`)).toMatchObject({ status: 400 });
  });

  it("are white where a photo is transparent", async () => {
    const path = join(test.photos, "clear.png");
    await sharp({ create: { width: 80, height: 60, channels: 4, background: "#ff000000" } })
      .png()
      .toFile(path);
    await importPhotos(test.desk.library, [path], { workers: test.desk.surroundings.workers });
    const clear = listPhotos(test.desk.library, { search: "clear.png" }).photos[0];
    const { bytes } = await picture(pictures.photo(clear?.id ?? "", 64));
    expect([...(await sharp(bytes).raw().toBuffer()).subarray(0, 3)].every((each) => each > 250)).toBe(true);
  });
});

describe("tiles", () => {
  it.each(["large.tif", "turned.jpg"])("make up %s at every level", async (name) => {
    const { id, width, height } = photo(name);
    const { body } = await test.json("GET", `/library/photos/${id}/tiles`);
    const facts = tilesSchema.parse(body);
    expect(facts).toEqual({ width, height, tileSize: 512, levels: 4 });
    for (let each = 0; each < facts.levels; each++) {
      const scale = 2 ** (facts.levels - 1 - each);
      const upright =
        name === "turned.jpg" ? sharp(await gradient().rotate(90).png().toBuffer()) : gradient();
      const expected = await upright
        .resize(Math.ceil(width / scale), Math.ceil(height / scale), { fit: "fill" })
        .removeAlpha()
        .raw()
        .toBuffer();
      expect(difference(await level(`photos/${id}`, facts, each), expected)).toBeLessThan(2);
    }
  });

  it("of a small picture are one", async () => {
    const { body } = await test.json("GET", `/library/versions/${version}/tiles`);
    const facts = tilesSchema.parse(body);
    expect(facts.levels).toBe(Math.max(facts.width, facts.height) <= 512 ? 1 : 2);
    await picture(pictures.tile(`versions/${version}`, 0, 0, 0));
  });

  it.each([
    "4/0/0",
    "0/1/0",
    "0/0/1",
    "3/5/0",
    "3/0/3",
    "-1/0/0",
    "0/-1/0",
    "x/0/0",
    "0/0/1e1",
    "99999999999/0/0",
  ])("outside are not found: %s", async (place) => {
    const { id } = photo("large.tif");
    expect(await problem(`/library/photos/${id}/tiles/${place}`)).toMatchObject({
      status: 404,
      code: "not-found",
    });
  });
});

describe("what is not there", () => {
  const ids = [newId(), "x", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%00", "'--"];
  it.each(ids)("is not found: %s", async (id) => {
    for (const path of [
      pictures.thumbnail(id),
      pictures.photo(id, 640),
      pictures.version(id, 640),
      pictures.versionThumbnail(id),
      pictures.tile(`photos/${id}`, 0, 0, 0),
      `/library/versions/${id}/tiles`,
    ]) {
      expect(await problem(path), path).toMatchObject({ status: 404, code: "not-found" });
    }
  });

  it("costs nothing where the client has left", async () => {
    const { id, hash } = photo("grace-hopper.jpg");
    const leaving = new AbortController();
    const request = new Request(`http://localhost${pictures.photo(id, 777)}`, { signal: leaving.signal });
    const answer = test.app.fetch(request);
    leaving.abort();
    expect((await answer).status).toBe(499);
    const folder = join(test.desk.library.pictures, hash.slice(0, 2));
    await mkdir(folder, { recursive: true });
    expect((await readdir(folder)).filter((name) => name.includes("777"))).toEqual([]);
  });

  it("is said of a version whose file is gone", async () => {
    const gone = await addVersion("photographer.jpg");
    const { library } = test.desk;
    const [file = ""] = (await readdir(library.versions)).sort().slice(-1);
    await rm(join(library.versions, file));
    expect(await problem(pictures.version(gone, 100))).toMatchObject({ status: 404, code: "not-found" });
  });

  it("is said of a photo that is damaged by now", async () => {
    const path = join(test.photos, "damaged.png");
    await gradient(40, 30).png().toFile(path);
    await importPhotos(test.desk.library, [path], { workers: test.desk.surroundings.workers });
    const { id = "" } = listPhotos(test.desk.library, { search: "damaged.png" }).photos[0] ?? {};
    await writeFile(path, "not a picture any more");
    expect(await problem(pictures.photo(id, 100))).toMatchObject({ status: 404, code: "not-found" });
  });
});
