// Imports, uploads, folders and watched folders by address; uploads through a real server.
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, Server } from "node:net";
import { connect } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { albumsOf, countPhotos, getPhoto, listPhotos } from "../../catalogue/index.ts";
import { rawForm } from "../service-testing.ts";
import { foldersSchema, startedSchema } from "./contract.ts";
import { importRoutes } from "./import-routes.ts";
import { createWorkDesk, smallPicture, type WorkDesk } from "./testing-work.ts";
import { watchFolders } from "./watcher.ts";

let scene: WorkDesk;
let server: Server;
let url: string;
beforeAll(async () => {
  // One of its own, so that nobody else's leftovers are seen.
  process.env.TMPDIR = await mkdtemp(join(tmpdir(), "autochrome-imports-"));
  scene = await createWorkDesk(importRoutes);
  const made = createAdaptorServer({ fetch: scene.app.fetch });
  made.listen(0, "127.0.0.1");
  await once(made, "listening");
  server = made;
  url = `http://127.0.0.1:${(made.address() as AddressInfo).port}/library/uploads`;
});
afterAll(async () => {
  server.close();
  await scene.close();
  await rm(tmpdir(), { recursive: true });
});

let shade = 0;
let folders = 0;
/** A folder of the user's with new photos of these names. */
async function folderOf(...names: string[]): Promise<string> {
  const folder = join(scene.photos, "..", `user ${folders++}`);
  await mkdir(folder);
  for (const name of names) await smallPicture(join(folder, name), shade++);
  return folder;
}
const all = () => listPhotos(scene.desk.library, { limit: 1000 }).photos;
const named = (name: string) => all().filter((photo) => photo.name === name);
const leftovers = async () =>
  (await readdir(tmpdir())).filter((name) => name.startsWith("autochrome-upload-"));

describe("an import", () => {
  it("brings photos in, tells how many were there, what failed and why", async () => {
    const folder = await folderOf("a1.jpg", "a2.jpg");
    await writeFile(join(folder, "broken.jpg"), "not a picture");
    await writeFile(join(folder, "empty.png"), "");
    await cp(join(folder, "a1.jpg"), join(folder, "again.jpg"));
    scene.events.length = 0;
    const job = await scene.job("POST", "/library/imports", { paths: [folder], album: " Holiday " });
    expect(job).toMatchObject({
      kind: "import",
      state: "done",
      done: 5,
      total: 5,
      duplicates: 1,
      problemCount: 2,
    });
    expect(job.problems.map(({ file, error }) => [file, error.code]).toSorted()).toEqual([
      ["broken.jpg", "not-an-image"],
      ["empty.png", "empty-file"],
    ]);
    const [photo] = named("a2.jpg");
    expect(photo?.path).toBe(join(folder, "a2.jpg"));
    expect(albumsOf(scene.desk.library, photo?.id ?? "")).toMatchObject([{ name: "Holiday" }]);
    expect(scene.events.some(({ type }) => type === "library")).toBe(true);
    const twice = await scene.job("POST", "/library/imports", { paths: [folder] });
    expect(twice).toMatchObject({ done: 5, duplicates: 3 });
  });

  it("says which photos are missing now", async () => {
    const folder = await folderOf("gone.jpg");
    await scene.job("POST", "/library/imports", { paths: [folder] });
    await rm(join(folder, "gone.jpg"));
    scene.events.length = 0;
    await scene.job("POST", "/library/imports", { paths: [folder] });
    const [photo] = named("gone.jpg");
    expect(photo?.missingSince).toBeDefined();
    expect(scene.events).toContainEqual({ type: "photos", ids: [photo?.id] });
  });

  it("is refused for what is no whole path", async () => {
    for (const paths of [["relative"], [], ["/a\0b"], [""]]) {
      expect(await scene.json("POST", "/library/imports", { paths })).toMatchObject({ status: 400 });
    }
  });
});

describe("an upload", () => {
  const send = (form: FormData) => fetch(url, { method: "POST", body: form });
  async function formOf(
    files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>,
    album?: string,
  ): Promise<FormData> {
    const form = new FormData();
    if (album !== undefined) form.append("album", album);
    for (const [name, bytes] of Object.entries(files)) form.append("file", new File([bytes], name));
    return form;
  }
  async function bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const folder = await folderOf("new.jpg");
    return new Uint8Array(await readFile(join(folder, "new.jpg")));
  }
  const over = async (answer: Response) => {
    expect(answer.status).toBe(200);
    return scene.jobOver(startedSchema.parse(await answer.json()).job);
  };

  it("copies photos into the library, and says what was skipped and why", async () => {
    const [one, two] = [await bytes(), await bytes()];
    const files = {
      "上传 one.jpg": one,
      "two.JPG": two,
      "notes.txt": new Uint8Array([65]),
      "bad.png": new Uint8Array([1]),
    };
    const job = await over(await send(await formOf(files, "From the browser")));
    expect(job).toMatchObject({ state: "done", problemCount: 2 });
    expect(job.problems.map(({ file, error }) => [file, error.code])).toEqual([
      ["notes.txt", "not-an-image"],
      ["bad.png", "not-an-image"],
    ]);
    for (const [name, sent] of [
      ["上传 one.jpg", one],
      ["two.JPG", two],
    ] as const) {
      const [photo] = named(name);
      expect(photo?.path.startsWith(scene.desk.library.originals)).toBe(true);
      expect(new Uint8Array(await readFile(photo?.path ?? ""))).toEqual(sent);
      expect(albumsOf(scene.desk.library, photo?.id ?? "")).toMatchObject([{ name: "From the browser" }]);
    }
    await scene.until(async () => expect(await leftovers()).toEqual([]));
  });

  it("takes a name for a name, never for a path", async () => {
    for (const name of [
      "../../../etc/evil.jpg",
      "C:\\windows\\evil.jpg",
      "/evil.jpg",
      "evil.jpg\\..\\..\\evil.jpg",
    ]) {
      const { body, headers } = rawForm(name, Buffer.from(await bytes()));
      const job = await over(await fetch(url, { method: "POST", body: new Uint8Array(body), headers }));
      expect(job).toMatchObject({ state: "done", problemCount: 0 });
    }
    expect(named("evil.jpg")).toHaveLength(4);
    for (const { path } of named("evil.jpg"))
      expect(path.startsWith(scene.desk.library.originals)).toBe(true);
  });

  it("that is too large for a client elsewhere is skipped, the others come in", async () => {
    const { desk } = scene;
    const limited = await createWorkDesk(importRoutes, {
      ...{
        isLocal: false,
        doors: { ...desk.doors, config: () => ({ ...desk.doors.config(), uploadMaxMb: 0.002 }) },
      },
    });
    const other = createAdaptorServer({ fetch: limited.app.fetch });
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const address = `http://127.0.0.1:${(other.address() as AddressInfo).port}/library/uploads`;
    const before = countPhotos(limited.desk.library);
    const form = await formOf({ "large.jpg": new Uint8Array(5000), "small.jpg": await bytes() });
    const answer = await fetch(address, { method: "POST", body: form });
    const job = await limited.jobOver(startedSchema.parse(await answer.json()).job);
    expect(job.problems).toMatchObject([{ file: "large.jpg", error: { code: "too-large" } }]);
    expect(countPhotos(limited.desk.library)).toBe(before + 1);
    // Nothing of this computer is shown to whoever is not at it.
    const asked = [
      limited.json("GET", "/library/folders"),
      limited.json("GET", "/library/watched"),
      limited.json("PUT", "/library/watched", { folders: [] }),
      limited.json("POST", "/library/imports", { paths: ["/"] }),
    ];
    for (const { status } of await Promise.all(asked)) expect(status).toBe(403);
    other.close();
    await limited.close();
  });

  it("that is no form, is empty, or breaks off leaves nothing", async () => {
    const count = countPhotos(scene.desk.library);
    const json = await fetch(url, {
      method: "POST",
      body: "{}",
      headers: { "Content-Type": "application/json" },
    });
    expect(json.status).toBe(400);
    expect((await send(new FormData())).status).toBe(400);
    const { body, headers } = rawForm("cut.jpg", Buffer.from(await bytes()));
    const cut = body.subarray(0, body.length - 60);
    const early = await fetch(url, {
      ...{ method: "POST", body: new Uint8Array(cut), headers: { "Content-Type": headers["Content-Type"] } },
    });
    expect(early.status).toBe(400);
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(`POST /library/uploads HTTP/1.1\r\nHost: x\r\nContent-Type: ${headers["Content-Type"]}\r\n`);
    socket.write(`Content-Length: ${body.length}\r\n\r\n`);
    socket.write(body.subarray(0, 600));
    await scene.until(async () => expect(await leftovers()).toHaveLength(1));
    socket.destroy();
    await scene.until(async () => expect(await leftovers()).toEqual([]));
    expect(countPhotos(scene.desk.library)).toBe(count);
  });
});

describe("folders", () => {
  const browse = (path?: string) =>
    scene.json("GET", `/library/folders${path === undefined ? "" : `?path=${encodeURIComponent(path)}`}`);

  it("are shown by name as people count, without hidden ones, with the number of photos", async () => {
    const folder = await folderOf("x.jpg", "y.jpg");
    for (const name of ["10", "9", ".hidden", "Ä"]) await mkdir(join(folder, name));
    await writeFile(join(folder, "notes.txt"), "");
    const { body } = await browse(folder);
    expect(foldersSchema.parse(body)).toEqual({
      path: folder,
      parent: join(folder, ".."),
      folders: ["9", "10", "Ä"].map((name) => ({ name, path: join(folder, name) })),
      photos: 2,
    });
    expect((await browse("/")).body).toMatchObject({ path: "/", parent: null });
    expect((await browse()).body).toMatchObject({ path: homedir() });
  });

  it("that are not there, are files, or cannot be read are told with words", async () => {
    const folder = await folderOf("x.jpg");
    expect(await browse(join(folder, "nowhere"))).toMatchObject({ status: 404 });
    expect(await browse(join(folder, "x.jpg"))).toMatchObject({ status: 400 });
    expect(await browse("relative")).toMatchObject({ status: 400 });
    if (process.getuid?.() === 0) return; // root reads everything
    await chmod(folder, 0);
    expect(await browse(folder)).toMatchObject({ status: 403, body: { error: { code: "unreadable-file" } } });
    await chmod(folder, 0o700);
  });
});

describe("watched folders", () => {
  const put = (watched: readonly object[]) => scene.ask("PUT", "/library/watched", { folders: watched });

  it("are kept, and refused where they make no sense", async () => {
    const folder = await folderOf();
    expect((await put([{ path: folder, album: "A" }, { path: scene.photos }])).status).toBe(204);
    expect((await scene.json("GET", "/library/watched")).body).toEqual({
      folders: [{ path: folder, album: "A" }, { path: scene.photos }],
    });
    expect((await put([{ path: "relative" }])).status).toBe(400);
    expect((await put([{ path: join(scene.desk.library.folder, "versions") }])).status).toBe(400);
    expect((await put([])).status).toBe(204);
  });

  it.each(["by the system's events", "by looking"])(
    "bring in what appears, %s; also after the folder was away",
    async (how) => {
      const isLooking = how === "by looking";
      const folder = await folderOf(`${how} 1.jpg`);
      const watcher = watchFolders(
        scene.desk,
        isLooking ? { everyMs: 30, quietMs: 1e9 } : { everyMs: 1e9, quietMs: 20 },
      );
      try {
        await put([{ path: folder, album: "Watched" }]);
        await scene.until(() => expect(named(`${how} 1.jpg`)).toHaveLength(1));
        await mkdir(join(folder, "deep", "deeper"), { recursive: true });
        await smallPicture(join(folder, "deep", "deeper", `${how} 2.jpg`), shade++);
        await scene.until(() => expect(named(`${how} 2.jpg`)).toHaveLength(1));
        const [photo] = named(`${how} 2.jpg`);
        expect(albumsOf(scene.desk.library, photo?.id ?? "")).toMatchObject([{ name: "Watched" }]);
        await scene.until(() =>
          expect(scene.desk.jobs.list()).toContainEqual(
            expect.objectContaining({ kind: "import", state: "done", problemCount: 0 }),
          ),
        );
        if (!isLooking) return;
        const away = `${folder} away`;
        await rename(folder, away);
        await scene.until(() =>
          expect(getPhoto(scene.desk.library, photo?.id ?? "").missingSince).toBeDefined(),
        );
        await smallPicture(join(away, `${how} 3.jpg`), shade++);
        await rename(away, folder);
        await scene.until(() => expect(named(`${how} 3.jpg`)).toHaveLength(1));
        await scene.until(() =>
          expect(getPhoto(scene.desk.library, photo?.id ?? "").missingSince).toBeUndefined(),
        );
      } finally {
        await put([]);
        await watcher.close();
      }
    },
  );

  it("say nothing while nothing is new, and take a photo that is removed for missing", async () => {
    const folder = await folderOf("quiet.jpg");
    await scene.job("POST", "/library/imports", { paths: [folder] });
    const before = scene.desk.jobs.list().length;
    await put([{ path: folder }]);
    const watcher = watchFolders(scene.desk, { everyMs: 20, quietMs: 10 });
    try {
      await rm(join(folder, "quiet.jpg"));
      await scene.until(() => expect(named("quiet.jpg")[0]?.missingSince).toBeDefined());
      expect(scene.desk.jobs.list().length).toBe(before);
      await writeFile(join(folder, "damaged.jpg"), "no picture");
      await scene.until(() => expect(scene.desk.jobs.list().length).toBe(before + 1));
      const [job] = scene.desk.jobs.list();
      await scene.until(() => expect(scene.desk.jobs.list()[0]?.state).toBe("done"));
      expect(job?.problems.concat(scene.desk.jobs.list()[0]?.problems ?? [])).toContainEqual(
        expect.objectContaining({ file: "damaged.jpg" }),
      );
    } finally {
      await put([]);
      await watcher.close();
    }
  });
});
