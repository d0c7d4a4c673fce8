import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { fillSynthetic, importPhotos, type Photo } from "../../catalogue/index.ts";
import { readMetadata } from "../../imaging/index.ts";
import { newId } from "../../kernel/index.ts";
import {
  cardsSchema,
  type Layout,
  layoutSchema,
  librarySchema,
  type PhotoCard,
  type PhotoDetails,
  photoDetailsSchema,
  timelineSchema,
} from "./contract.ts";
import { photoRoutes } from "./photo-routes.ts";
import { createTestDesk, type TestDesk } from "./testing.ts";

let test: TestDesk;
let photos: ReadonlyMap<string, Photo>;

beforeAll(async () => {
  test = await createTestDesk(photoRoutes);
  photos = await test.importSamples();
});
afterAll(() => test.close());
beforeEach(() => {
  test.events.length = 0;
});

const idOf = (name: string) => photos.get(name)?.id ?? "";

async function layout(query = "", headers: Record<string, string> = {}): Promise<Layout> {
  const response = await test.ask("GET", `/library/layout${query}`, undefined, headers);
  expect(response.status).toBe(200);
  return layoutSchema.parse(await response.json());
}

async function cards(ids: readonly string[]): Promise<PhotoCard[]> {
  const { status, body } = await test.json("GET", `/library/photos?ids=${ids.join(",")}`);
  expect(status).toBe(200);
  return cardsSchema.parse(body).photos;
}

async function change(id: string, body: unknown): Promise<PhotoDetails> {
  const answer = await test.json("PATCH", `/library/photos/${id}`, body);
  expect(answer).toMatchObject({ status: 200 });
  return photoDetailsSchema.parse(answer.body);
}

const names = async (query: string) => (await cards((await layout(query)).ids)).map((card) => card.name);

describe("the library", () => {
  it("says how many photos are where", async () => {
    const { body } = await test.json("GET", "/library");
    const facts = librarySchema.parse(body);
    expect(facts).toMatchObject({
      folder: test.desk.library.folder,
      photos: photos.size,
      missing: 0,
      warnings: [],
    });
    const mono = [...photos.values()].filter((photo) => photo.isMono).length;
    expect(mono).toBeGreaterThan(0);
    expect(facts.smart).toEqual({ toColour: mono, toReview: 0, accepted: 0, failed: 0 });
  });
});

describe("a layout", () => {
  it("has all photos and their shapes", async () => {
    const { ids, ratios, headings, hints } = await layout();
    expect(ids.toSorted()).toEqual([...photos.values()].map((photo) => photo.id).sort());
    expect({ headings, hints }).toEqual({ headings: [], hints: [] });
    for (const [at, id] of ids.entries()) {
      const { width, height } = [...photos.values()].find((photo) => photo.id === id) ?? {
        width: 0,
        height: 1,
      };
      expect(ratios[at]).toBe(Math.round((width / height) * 1000));
    }
  });

  it("has headings by year, undated photos at the end whichever way it goes", async () => {
    await change(idOf("lookout-tower.jpg"), { takenAt: "1936-05" });
    await change(idOf("photographer.jpg"), { takenAt: "1936" });
    for (const name of ["grace-hopper.jpg", "chelsea.jpg"]) await change(idOf(name), { takenAt: null });
    for (const descending of [false, true]) {
      const { ids, headings } = await layout(`?sort=taken&descending=${descending}`);
      const taken = (await cards(ids)).map((card) => card.takenAt);
      const dated = taken.filter((each) => each !== undefined);
      expect(dated).toEqual(descending ? dated.toSorted().reverse() : dated.toSorted());
      expect(taken.slice(dated.length).every((each) => each === undefined)).toBe(true);
      const years = taken.map((each) => each?.slice(0, 4) ?? "");
      expect(headings).toEqual(
        years.flatMap((text, at) => (at > 0 && years[at - 1] === text ? [] : [{ at, text }])),
      );
      expect(headings.at(-1)).toEqual({ at: dated.length, text: "" });
    }
  });

  it("finds by filters and by words", async () => {
    await change(idOf("chelsea.jpg"), {
      title: "Chelsea",
      people: ["Anna Möller"],
      place: "New York",
      keywords: ["cat", "Berta"],
      rating: 4,
    });
    expect(await names("?search=person:Möller")).toEqual(["chelsea.jpg"]);
    expect(await names("?search=人物：anna")).toEqual(["chelsea.jpg"]);
    expect(await names("?search=person:Berta")).toEqual([]);
    expect(await names('?search=place:"new york" tag:cat rating:>3')).toEqual(["chelsea.jpg"]);
    expect(await names("?search=rating:>4 chelsea")).toEqual([]);
    expect(await names("?search=year:1930s&sort=name")).toEqual(["lookout-tower.jpg", "photographer.jpg"]);
    // A photo of some day in 1936 may be of before or after May.
    expect(await names("?search=before:1936-05&sort=name")).toEqual(["photographer.jpg"]);
    expect(await names("?search=after:1936-04 before:1937&sort=name")).toEqual([
      "lookout-tower.jpg",
      "photographer.jpg",
    ]);
    const mono = [...photos.values()].filter((photo) => photo.isMono).map((photo) => photo.name);
    expect(await names("?search=mono:yes&sort=name")).toEqual(mono.sort());
    expect(await names("?search=is:missing")).toEqual([]);
    expect(await names("?smart=toColour&sort=name")).toEqual(mono);
    expect(await names("?smart=toReview")).toEqual([]);
  });

  it("says what it did not understand, in the reader's language", async () => {
    const search = encodeURIComponent('albm:x year:soon album:"No such" !!!');
    const { ids, hints } = await layout(`?search=${search}`);
    expect(ids).toEqual([]);
    expect(hints).toEqual([
      "There is no filter “albm”, so it was searched as words.",
      "“year:soon” was not understood and has been left out.",
      "There is no album “No such”.",
    ]);
    const chinese = await layout(`?search=${search}`, { "Accept-Language": "zh-CN,zh;q=0.9" });
    expect(chinese.hints[2]).toBe("没有名为“No such”的相册。");
  });

  it("is not found for an album that is not there, nor taken where the query makes no sense", async () => {
    expect(await test.json("GET", `/library/layout?album=${newId()}`)).toMatchObject({
      status: 404,
      body: { error: { code: "not-found" } },
    });
    expect((await test.ask("GET", "/library/layout?sort=colour")).status).toBe(400);
    expect((await test.ask("GET", "/library/layout?smart=all")).status).toBe(400);
  });

  it("survives any search text", async () => {
    for (const text of [
      '"',
      "album:",
      "(a OR b)",
      "NEAR(a b)",
      "*",
      "' or 1=1 --",
      "place:*",
      'person:") OR ("',
      "\0\ud800",
    ]) {
      const { ids } = await layout(`?search=${encodeURIComponent(text.toWellFormed())}`);
      expect(Array.isArray(ids)).toBe(true);
    }
    expect((await test.ask("GET", `/library/layout?search=${"x".repeat(501)}`)).status).toBe(400);
  });

  it("comes compressed where it is long and the client takes it", async () => {
    const big = await createTestDesk(photoRoutes);
    try {
      fillSynthetic(big.desk.library, 2000);
      const plain = Buffer.from(await (await big.ask("GET", "/library/layout")).arrayBuffer());
      const ask = async (accepted: string) =>
        big.ask("GET", "/library/layout", undefined, { "Accept-Encoding": accepted });
      const small = await ask("gzip, deflate");
      expect(small.headers.get("Content-Encoding")).toBe("gzip");
      expect(gunzipSync(Buffer.from(await small.arrayBuffer()))).toEqual(plain);
      const newer = await ask("gzip, br, zstd");
      expect(newer.headers.get("Content-Encoding")).toBe("zstd");
      expect(zstdDecompressSync(Buffer.from(await newer.arrayBuffer()))).toEqual(plain);
      expect((await ask("gzip;q=0")).headers.get("Content-Encoding")).toBe(null);
    } finally {
      await big.close();
    }
  });

  it("is given up where the client has left", async () => {
    const request = new Request("http://localhost/library/layout", { signal: AbortSignal.abort() });
    expect((await test.app.fetch(request)).status).toBe(499);
  });
});

describe("cards", () => {
  it("come in the order asked for, without what is not there", async () => {
    const [first = "", second = ""] = (await layout()).ids;
    const found = await cards([second, newId(), "../../etc/passwd", "%00", first, second]);
    expect(found.map((card) => card.id)).toEqual([second, first, second]);
    expect(found[0]).toMatchObject({ state: "plain", versions: 0, isMissing: false });
    expect(Buffer.from(found[0]?.blur ?? "", "base64").length).toBeGreaterThan(10);
  });

  it("are at most five hundred, and fresh", async () => {
    expect((await test.ask("GET", `/library/photos?ids=${"x,".repeat(501)}`)).status).toBe(400);
    const none = await test.ask("GET", "/library/photos?ids=");
    expect(await none.json()).toEqual({ photos: [] });
    expect(none.headers.get("Cache-Control")).toBe("no-store");
    expect(none.headers.get("X-Content-Type-Options")).toBe("nosniff");
  });
});

describe("a change", () => {
  it("is answered, told, and found by search", async () => {
    const id = idOf("coffee.jpg");
    const caption = `<script>alert("外婆")</script> ${"x".repeat(10_000)}`;
    const details = await change(id, { caption, title: "  Kaffee  ", takenAt: "1931-07-04" });
    expect(details).toMatchObject({ caption, title: "Kaffee", takenAt: "1931-07-04", takenPrecision: "day" });
    expect(test.events).toEqual([{ type: "photos", ids: [id] }]);
    expect(await names("?search=kaffee")).toEqual(["coffee.jpg"]);
    const cleared = await change(id, { caption: null, title: "" });
    expect(cleared).not.toHaveProperty("caption");
    expect(cleared).not.toHaveProperty("title");
    expect(cleared.takenAt).toBe("1931-07-04");
    expect(await names("?search=kaffee")).toEqual([]);
  });

  it.each([
    ["a month that there is not", { takenAt: "1936-13" }],
    ["a day that there is not", { takenAt: "1935-02-29" }],
    ["a year before photography", { takenAt: "0936" }],
    ["too many stars", { rating: 6 }],
    ["a field that there is not", { colour: "red" }],
    ["no list", { people: "Anna" }],
    ["a caption without end", { caption: "x".repeat(20_001) }],
  ])("is refused for %s, and nothing changes", async (_, body) => {
    const before = await test.json("GET", `/library/photos/${idOf("coffee.jpg")}`);
    expect((await test.ask("PATCH", `/library/photos/${idOf("coffee.jpg")}`, body)).status).toBe(400);
    expect(await test.json("GET", `/library/photos/${idOf("coffee.jpg")}`)).toEqual(before);
    expect(test.events).toEqual([]);
  });

  it.each(["PATCH", "GET", "DELETE"])("%s of a photo that is not there says so", async (method) => {
    for (const id of [newId(), "x", "%2e%2e%2fetc%2fpasswd", "'"]) {
      const body = method === "PATCH" ? { title: "x" } : undefined;
      expect(await test.json(method, `/library/photos/${id}`, body)).toMatchObject({
        status: 404,
        body: { error: { code: "not-found" } },
      });
    }
    expect(test.events).toEqual([]);
  });
});

describe("a sidecar", () => {
  it("is written beside the photo, which stays as it is", async () => {
    const id = idOf("grace-hopper.jpg");
    const path = join(test.photos, "grace-hopper.jpg");
    const before = await readFile(path);
    await change(id, {
      title: 'Grace <b>"Hopper"</b> & co',
      caption: "first line\nsecond line 外婆",
      place: "Arlington",
      people: ["Grace Hopper", "a, b"],
      keywords: ["navy"],
      takenAt: "1984-01",
      rating: 5,
    });
    expect(await test.json("POST", `/library/photos/${id}/sidecar`)).toEqual({
      status: 200,
      body: { file: "grace-hopper.jpg.xmp" },
    });
    expect(await readMetadata(`${path}.xmp`)).toEqual({
      title: 'Grace <b>"Hopper"</b> & co',
      caption: "first line\nsecond line 外婆",
      place: "Arlington",
      people: ["Grace Hopper", "a, b"],
      keywords: ["navy"],
      date: { text: "1984-01", precision: "month" },
      rating: 5,
    });
    expect(await readFile(path)).toEqual(before);
  });

  it("keeps what other programs wrote into it", async () => {
    const id = idOf("raccoon.jpg");
    const sidecar = join(test.photos, "raccoon.jpg.xmp");
    await writeFile(
      sidecar,
      `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
       <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmp:Label="Green"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">old</rdf:li></rdf:Alt></dc:title>
       </rdf:Description></rdf:RDF></x:xmpmeta>`,
    );
    await change(id, { title: null, caption: "new" });
    expect((await test.ask("POST", `/library/photos/${id}/sidecar`)).status).toBe(200);
    const text = await readFile(sidecar, "utf8");
    expect(text).toContain("Green");
    expect(text).toContain("new");
    expect(text).not.toContain("old");
  });

  it("does not replace what is no XMP", async () => {
    const sidecar = join(test.photos, "chelsea.jpg.xmp");
    await writeFile(sidecar, "my own notes");
    const answer = await test.json("POST", `/library/photos/${idOf("chelsea.jpg")}/sidecar`);
    expect(answer).toMatchObject({ status: 500, body: { error: { code: "output-unwritable" } } });
    expect(await readFile(sidecar, "utf8")).toBe("my own notes");
    await rm(sidecar);
  });

  it("says so where the photo or its folder is gone", async () => {
    const id = idOf("coffee.jpg");
    const away = `${test.photos} away`;
    await rename(test.photos, away);
    try {
      expect(await test.json("POST", `/library/photos/${id}/sidecar`)).toMatchObject({
        status: 404,
        body: { error: { code: "not-found" } },
      });
      await mkdir(test.photos);
      await importPhotos(test.desk.library, [test.photos], { workers: test.desk.surroundings.workers });
      const answer = await test.json("POST", `/library/photos/${id}/sidecar`);
      expect(answer).toMatchObject({ status: 404, body: { error: { code: "not-found" } } });
      expect(JSON.stringify(answer.body)).not.toContain(test.photos);
      expect(await readdir(test.photos)).toEqual([]);
      expect(await names("?search=is:missing")).toHaveLength(photos.size);
      expect(await names("?smart=toColour")).toEqual([]);
    } finally {
      await rm(test.photos, { recursive: true });
      await rename(away, test.photos);
      await importPhotos(test.desk.library, [test.photos], { workers: test.desk.surroundings.workers });
    }
    expect(await names("?smart=missing")).toEqual([]);
  });
});

it("counts photos by decade", async () => {
  await change(idOf("chelsea.jpg"), { takenAt: null });
  const { body } = await test.json("GET", "/library/timeline");
  const { decades } = timelineSchema.parse(body);
  const all = await cards((await layout()).ids);
  expect(decades.reduce((sum, { photos: count }) => sum + count, 0)).toBe(all.length);
  expect(decades.find(({ decade }) => decade === 1930)?.photos).toBe(
    all.filter((card) => card.takenAt?.startsWith("193")).length,
  );
  expect(decades.at(-1)).toEqual({
    decade: null,
    photos: all.filter((card) => card.takenAt === undefined).length,
  });
});

it("takes a photo out of the library and leaves its file", async () => {
  const id = idOf("eileen-collins.jpg");
  const path = join(test.photos, "eileen-collins.jpg");
  const before = await readFile(path);
  expect((await test.ask("DELETE", `/library/photos/${id}`)).status).toBe(204);
  expect(test.events).toEqual([{ type: "photos", ids: [id] }, { type: "library" }]);
  expect((await layout()).ids).not.toContain(id);
  expect(await cards([id])).toEqual([]);
  expect(await readFile(path)).toEqual(before);
});
