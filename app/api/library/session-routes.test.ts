// Sessions, their reports and exports by address.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changeVersion, editPhoto, type Version } from "../../catalogue/index.ts";
import { hashFile } from "../../kernel/index.ts";
import { sessionSchema } from "./contract.ts";
import { exportRoutes } from "./export-routes.ts";
import { sessionRoutes } from "./session-routes.ts";
import { createWorkDesk, type WorkDesk } from "./testing-work.ts";

let scene: WorkDesk;
let remote: WorkDesk;
let car: Version;
let cat: Version;
beforeAll(async () => {
  scene = await createWorkDesk((routes, desk) => {
    sessionRoutes(routes, desk);
    exportRoutes(routes, desk);
  });
  [car, cat] = (await scene.colour("car.jpg", "cat.jpg")) as [Version, Version];
});
afterAll(async () => {
  await scene.close();
  await remote?.close();
});

const ids = (...names: string[]) => names.map((name) => scene.small.get(name)?.id ?? "");
async function create(body: object) {
  const answer = await scene.json("POST", "/library/sessions", body);
  expect(answer.status).toBe(200);
  return sessionSchema.parse(answer.body);
}
let folders = 0;
async function folder(): Promise<string> {
  const path = join(scene.photos, "..", `out ${folders++}`);
  await mkdir(path);
  return path;
}

describe("sessions", () => {
  it("are made, listed, changed field by field, and deleted", async () => {
    const made = await create({
      name: "Müller",
      note: "Ask about 1936",
      photos: ids("car.jpg", "cat.jpg", "dog.jpg"),
    });
    expect(made).toMatchObject({ photos: 3, undecided: 3, accepted: 0, rejected: 0 });
    const change = async (body: object) =>
      (await scene.json("PATCH", `/library/sessions/${made.id}`, body)).body;
    expect(await change({ name: "Renamed" })).toMatchObject({
      name: "Renamed",
      note: "Ask about 1936",
      photos: 3,
    });
    expect(await change({ photos: ids("dog.jpg") })).toMatchObject({ name: "Renamed", photos: 1 });
    expect(await change({ note: "" })).toMatchObject({ note: "" });
    const { body } = await scene.json("GET", "/library/sessions");
    expect(body).toMatchObject({ sessions: [{ id: made.id }] });
    expect((await scene.ask("DELETE", `/library/sessions/${made.id}`)).status).toBe(204);
    expect((await scene.json("GET", "/library/sessions")).body).toEqual({ sessions: [] });
    expect((await scene.ask("DELETE", `/library/sessions/${made.id}`)).status).toBe(404);
  });

  it("that make no sense are refused", async () => {
    const ask = (body: object) => scene.json("POST", "/library/sessions", body);
    expect(await ask({ name: "", photos: [] })).toMatchObject({ status: 400 });
    expect(await ask({ name: "x", photos: ["nobody"] })).toMatchObject({ status: 404 });
  });
});

describe("a report", () => {
  const HOSTILE = `<script>alert(1)</script>"'&<img src=x onerror=alert(2)>\u202e`;

  it("is one page with pairs of pictures, decisions, stars, notes, dates and models; nothing in it runs", async () => {
    const { library } = scene.desk;
    const [first = ""] = ids("car.jpg");
    editPhoto(library, first, {
      title: HOSTILE,
      caption: `${HOSTILE}${"long ".repeat(2000)}`,
      takenAt: "1936-02",
    });
    changeVersion(library.db, car.id, { review: "accepted", rating: 4, note: `${HOSTILE} note` });
    changeVersion(library.db, cat.id, { review: "rejected" });
    const session = await create({
      name: HOSTILE,
      note: HOSTILE,
      photos: ids("car.jpg", "cat.jpg", "dog.jpg"),
    });
    const out = await folder();
    const job = await scene.job("POST", `/library/sessions/${session.id}/report`, { out });
    expect(job).toMatchObject({ state: "done", done: 3, total: 3, problemCount: 0 });
    const html = await readFile(job.output ?? "", "utf8");
    expect(html).not.toMatch(/<script|<img(?! src="data:image\/jpeg)|onerror=alert\(2\)>/);
    expect(html.match(/<img src="data:image\/jpeg;base64,/g)?.length).toBe(5); // the dog has no colours yet
    for (const word of [
      "Accepted",
      "Rejected",
      "Not coloured yet",
      "4 of 5 stars",
      "Taken 1936-02",
      "note",
    ]) {
      expect(html).toContain(word);
    }
    expect(html).toContain(car.modelId);
    expect(html).toContain(car.modelSha256.slice(0, 12));
    expect(html).toContain("1 accepted, 1 rejected, 1 not decided");
    expect(html).toContain("default-src 'none'");
    expect(html.length).toBeLessThan(200_000); // the endless caption was cut
    const data = /data:image\/jpeg;base64,([^"]+)/.exec(html)?.[1] ?? "";
    expect(await sharp(Buffer.from(data, "base64")).metadata()).toMatchObject({ format: "jpeg", width: 80 });
    expect(await readdir(out)).toHaveLength(1);
  });

  it("speaks Chinese where that is asked for, and never replaces a file", async () => {
    const session = await create({ name: "会审", photos: ids("cat.jpg") });
    const out = await folder();
    await writeFile(join(out, "会审.html"), "mine");
    await writeFile(join(out, "photo.jpg"), "mine, too");
    const report = (to: string) =>
      scene.job(
        "POST",
        `/library/sessions/${session.id}/report`,
        { out: to },
        { "Accept-Language": "zh-CN,zh;q=0.9" },
      );
    const first = await report(out);
    expect(first.output).toBe(join(out, "会审 (2).html"));
    const html = await readFile(first.output ?? "", "utf8");
    expect(html).toContain('<html lang="zh-CN">');
    for (const word of ["上色前", "上色后", "已拒绝", "1 张照片"]) expect(html).toContain(word);
    expect((await report(join(out, "photo.jpg"))).output).toBe(join(out, "photo.jpg.html"));
    expect(await readFile(join(out, "会审.html"), "utf8")).toBe("mine");
    expect(await readFile(join(out, "photo.jpg"), "utf8")).toBe("mine, too");
  });

  it("escapes whatever stands in a name", async () => {
    const out = await folder();
    const text = fc
      .string({ unit: "binary", minLength: 1, maxLength: 40 })
      .filter((name) => name.trim() !== "");
    await fc.assert(
      fc.asyncProperty(text, async (name) => {
        const session = await create({ name, note: name, photos: [] });
        const job = await scene.job("POST", `/library/sessions/${session.id}/report`, { out });
        const html = await readFile(job.output ?? "", "utf8");
        const [, inside = ""] = /<bdi dir="auto">([\s\S]*?)<\/bdi>/.exec(html) ?? [];
        expect(inside).not.toMatch(/[<>"']/);
        expect(inside.replace(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
      }),
      { numRuns: 8 },
    );
  });

  it("is refused for folders that are not the user's to give", async () => {
    const session = await create({ name: "x", photos: [] });
    const ask = (out: string) => scene.json("POST", `/library/sessions/${session.id}/report`, { out });
    expect(await ask("relative")).toMatchObject({ status: 400 });
    expect(await ask(join(scene.desk.library.folder, "versions"))).toMatchObject({ status: 400 });
    expect((await scene.json("POST", "/library/sessions/nobody/report", { out: "/tmp" })).status).toBe(404);
  });
});

describe("an export", () => {
  it("copies versions out, by photos or by a query, and says what has none", async () => {
    const out = await folder();
    const originals = await Promise.all([...scene.small.values()].map(({ path }) => hashFile(path)));
    const job = await scene.job("POST", "/library/exports", { out, query: {} });
    expect(job).toMatchObject({ state: "done", done: 4, total: 4, output: out });
    // The cat's only version is rejected, dog and house have none.
    expect(await readdir(out)).toEqual(["car.jpg"]);
    expect(job.problems.map(({ file, error }) => [file, error.code])).toEqual(
      ["cat.jpg", "dog.jpg", "house.jpg"].map((name) => [name, "not-found"]),
    );
    expect(await hashFile(join(out, "car.jpg"))).toBe(car.fileHash);
    const again = await scene.job("POST", "/library/exports", { out, photos: ids("car.jpg") });
    expect(again).toMatchObject({ problems: [{ file: "car.jpg", error: { code: "output-exists" } }] });
    expect(await Promise.all([...scene.small.values()].map(({ path }) => hashFile(path)))).toEqual(originals);
  });

  it("marks the copies alone, in another format, side by side", async () => {
    const out = await folder();
    const photos = ids("car.jpg");
    const job = (more: object) =>
      scene.job("POST", "/library/exports", { photos, acceptedOnly: true, mark: true, ...more });
    expect(await job({ out })).toMatchObject({ state: "done", problemCount: 0 });
    expect(await hashFile(join(out, "car.jpg"))).not.toBe(car.fileHash);
    expect(await hashFile(join(scene.desk.library.folder, car.file))).toBe(car.fileHash);
    const pairs = await folder();
    expect(await job({ out: pairs, sideBySide: true, format: "png" })).toMatchObject({
      state: "done",
      problemCount: 0,
    });
    const { width, height, format } = await sharp(join(pairs, "car.png")).metadata();
    expect({ height, format }).toEqual({ height: 60, format: "png" });
    expect(width).toBeGreaterThan(2 * 80);
  });

  it("passes over photos that were removed, and the others go out", async () => {
    const out = await folder();
    const job = await scene.job("POST", "/library/exports", { out, photos: ["nobody", ...ids("car.jpg")] });
    expect(job).toMatchObject({
      state: "done",
      done: 2,
      problemCount: 1,
      problems: [{ error: { code: "not-found" } }],
    });
    expect(await readdir(out)).toEqual(["car.jpg"]);
  });

  it("is refused without a wish, into the library, and from elsewhere", async () => {
    const ask = (body: object) => scene.json("POST", "/library/exports", body);
    expect(await ask({ out: await folder() })).toMatchObject({ status: 400 });
    expect(await ask({ out: "here", query: {} })).toMatchObject({ status: 400 });
    expect(await ask({ out: scene.desk.library.folder, query: {} })).toMatchObject({ status: 400 });
    remote = await createWorkDesk(exportRoutes, { isLocal: false });
    expect(await remote.json("POST", "/library/exports", { out: "/tmp", query: {} })).toMatchObject({
      ...{ status: 403, body: { error: { code: "forbidden" } } },
    });
  });
});
