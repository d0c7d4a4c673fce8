// The library through the command line: import, queue, export, backup, and what is recorded.
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLocalExecutor, createSurroundings, reproduceVersion } from "../app/batches/index.ts";
import {
  countItems,
  listVersions,
  openLibrary,
  photosOf,
  reviewVersion,
  setBatchState,
} from "../app/catalogue/index.ts";
import { hashFile, silentLogger } from "../app/kernel/index.ts";
import { hashesBelow, run, start } from "./cli.ts";

let root: string;
let input: string;
let library: string[];
const FAST = ["--model-size", "64"];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-library-"));
  input = join(root, "in");
  library = ["--library", join(root, "library")];
  await mkdir(input);
  for (let i = 0; i < 5; i++) {
    await sharp({
      create: {
        width: 150 + i,
        height: 100,
        channels: 3,
        background: "#777",
        noise: { type: "gaussian", mean: 128, sigma: 40 },
      },
    })
      .greyscale()
      .withExif({ IFD0: { ImageDescription: `Photo number ${i}` } })
      .jpeg()
      .toFile(join(input, `${i}.jpg`));
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

const firstBatch = async () => String((await run(["batch", "list", ...library])).lines.at(-2)?.batch);

describe("the library", () => {
  it("imports a folder once, however often it is told to", async () => {
    await copyFile(join(input, "0.jpg"), join(input, "copy of 0.jpg"));
    await writeFile(join(input, "broken.jpg"), "no photo");
    const first = await run(["import", input, "--album", "Family", ...library]);
    expect(first).toMatchObject({
      code: 1,
      summary: { imported: 5, duplicates: 1, failed: 1, seconds: expect.any(Number) },
    });
    expect(first.lines[0]).toMatchObject({ status: "failed", error: { code: "not-an-image" } });
    await unlink(join(input, "broken.jpg"));
    expect(await run(["import", input, ...library])).toMatchObject({
      code: 0,
      summary: { imported: 0, failed: 0 },
    });
  });

  it("lists and finds photos", async () => {
    expect((await run(["photos", ...library])).summary).toEqual({ photos: 5 });
    expect((await run(["photos", "--album", "Family", ...library])).summary).toEqual({ photos: 5 });
    const found = await run(["photos", "--search", "number 3", ...library]);
    expect(found.lines.slice(0, -1)).toMatchObject([
      { path: join(input, "3.jpg"), caption: "Photo number 3", isMono: true },
    ]);
    expect((await run(["photos", "--album", "Nobody", ...library])).code).toBe(2);
  });

  it("colours an album, and shows the batch", async () => {
    const { code, lines, summary } = await run(["batch", "run", "--album", "Family", ...FAST, ...library]);
    expect(code).toBe(0);
    expect(lines[0]).toEqual({ batch: expect.any(String) });
    expect(lines.slice(1, -1).every((line) => line.status === "done" && typeof line.photo === "string")).toBe(
      true,
    );
    expect(summary).toMatchObject({ done: 5, failed: 0, state: "finished" });
    const shown = await run(["batch", "show", String(lines[0]?.batch), ...library]);
    expect(shown.summary).toEqual({
      batch: lines[0]?.batch,
      state: "finished",
      queued: 0,
      running: 0,
      done: 5,
      failed: 0,
      cancelled: 0,
    });
  });

  it("records enough to make every version again, byte for byte", async () => {
    const opened = await openLibrary(join(root, "library"));
    const surroundings = createSurroundings({
      threads: 1,
      inferenceThreads: 1,
      limits: { maxMegapixels: 100 },
      imageModels: join(root, "image-models"),
      models: join(root, "models"),
      log: silentLogger(),
    });
    const executor = createLocalExecutor(surroundings);
    try {
      const photos = [...photosOf(opened)];
      expect(photos.length).toBe(5);
      for (const photo of photos) {
        const [version] = listVersions(opened.db, photo.id);
        expect(version).toMatchObject({
          sourceHash: photo.hash,
          modelId: "autochrome-small",
          modelSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          device: "cpu",
          program: expect.stringMatching(/^Autochrome \d/),
          workflow: { "2": { class_type: "DDColor-ddcolorize", inputs: { model_size: 64 } } },
        });
        const again = join(root, "again", `${photo.id}.jpg`);
        await reproduceVersion(opened, executor, version!.id, again, new AbortController().signal);
        expect(await hashFile(again)).toBe(version!.fileHash);
      }
      const [version] = listVersions(opened.db, photos[0]!.id);
      const record = (models: unknown) =>
        opened.db.raw
          .prepare("UPDATE version SET parameters = json_set(parameters, '$.models', json(?)) WHERE id = ?")
          .run(JSON.stringify(models), version!.id);
      record([{ id: "autochrome-small", sha256: "another" }]);
      const other = join(root, "again", "other.jpg");
      const work = reproduceVersion(opened, executor, version!.id, other, new AbortController().signal);
      await expect(work).rejects.toMatchObject({ code: "model-missing" });
      expect(await readdir(join(root, "again"))).not.toContain("other.jpg");
      record([{ id: "autochrome-small", sha256: version!.modelSha256 }]);
    } finally {
      await executor.close();
      await surroundings.close();
      opened.close();
    }
  });

  it("fails a photo that changed since its import, and retries only failures", async () => {
    const original = await readFile(join(input, "4.jpg"));
    await copyFile(join(input, "3.jpg"), join(input, "4.jpg"));
    const { code, lines } = await run(["batch", "run", "--all", ...FAST, ...library]);
    expect(code).toBe(1);
    const failed = lines.filter((line) => line.status === "failed");
    expect(failed).toMatchObject([{ file: join(input, "4.jpg"), error: { code: "unreadable-file" } }]);
    await writeFile(join(input, "4.jpg"), original);
    const retried = await run(["batch", "retry", String(lines[0]?.batch), ...library]);
    expect(retried).toMatchObject({
      code: 0,
      summary: { done: 1, state: "finished", counts: { done: 5, failed: 0 } },
    });
  });

  it("exports the newest versions, or only accepted ones, or pairs", async () => {
    const out = join(root, "export");
    expect((await run(["export", "--out", out, ...library])).summary).toMatchObject({
      exported: 5,
      failed: 0,
    });
    expect((await readdir(out)).sort()).toEqual(["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]);
    expect(await run(["export", "--out", out, ...library])).toMatchObject({
      code: 1,
      summary: { exported: 0, failed: 5 },
    });

    const opened = await openLibrary(join(root, "library"));
    const photo = [...photosOf(opened)][0]!;
    reviewVersion(opened.db, listVersions(opened.db, photo.id)[0]!.id, "accepted");
    opened.close();
    const accepted = await run([
      "export",
      "--accepted",
      "--format",
      "png",
      "--out",
      join(root, "accepted"),
      ...library,
    ]);
    expect(accepted.summary).toMatchObject({ exported: 1, without: 4 });
    const png = await sharp(join(root, "accepted", (await readdir(join(root, "accepted")))[0]!)).metadata();
    expect(png).toMatchObject({ format: "png", width: photo.width, height: photo.height });
    expect(png.xmp?.toString()).toMatch(/compositeWithTrainedAlgorithmicMedia/);

    await run(["export", "--side-by-side", "--out", join(root, "pairs"), ...library]);
    const pair = await sharp(join(root, "pairs", "0.jpg")).metadata();
    expect(pair.height).toBe(100);
    expect(pair.width).toBeGreaterThan(300);
  });

  it("can be paused and cancelled from another process", async () => {
    const slow = { AUTOCHROME_WORKERS: "1", AUTOCHROME_INFERENCE_THREADS: "1" };
    const opened = await openLibrary(join(root, "library"));
    try {
      const running = start(["batch", "run", "--all", "--model-size", "1024", ...library], slow);
      const batch = String((await running.lineWith((line) => typeof line.batch === "string")).batch);
      setBatchState(opened.db, batch, "paused");
      const paused = await running.ended;
      expect(paused).toMatchObject({ code: 0, summary: { state: "paused", counts: { running: 0 } } });
      const waiting = countItems(opened.db, batch).queued;
      expect(waiting).toBeGreaterThan(0);
      expect((await run(["batch", "pause", batch, ...library])).summary).toMatchObject({
        state: "paused",
        queued: waiting,
      });

      const resumed = start(["batch", "resume", batch, ...library], slow);
      await resumed.lineWith((line) => line.batch === batch);
      setBatchState(opened.db, batch, "cancelled");
      const { summary } = await resumed.ended;
      expect(summary).toMatchObject({ state: "cancelled", counts: { queued: 0, running: 0 } });
      expect((await run(["batch", "resume", batch, ...library])).code).toBe(2);
      expect((await run(["batch", "cancel", batch, ...library])).code).toBe(2);
    } finally {
      opened.close();
    }
  });

  it("backs up and restores", async () => {
    const file = join(root, "backup.db");
    expect((await run(["backup", file, ...library])).code).toBe(0);
    await writeFile(
      join(input, "later.jpg"),
      await readFile(join(input, "0.jpg")).then((bytes) => sharp(bytes).negate().jpeg().toBuffer()),
    );
    await run(["import", input, ...library]);
    expect((await run(["photos", ...library])).summary).toEqual({ photos: 6 });
    expect((await run(["restore", file, ...library])).code).toBe(0);
    expect((await run(["photos", ...library])).summary).toEqual({ photos: 5 });
    expect((await run(["restore", join(input, "0.jpg"), ...library])).code).toBe(2);
    expect((await run(["photos", ...library])).summary).toEqual({ photos: 5 });
  });

  it("knows no batch that is not there, and refuses to resume what is cancelled", async () => {
    expect((await run(["batch", "show", "nonesuch", ...library])).code).toBe(2);
    expect((await run(["batch", "run", ...library])).code).toBe(2);
    expect((await run(["batch", "show", await firstBatch(), ...library])).code).toBe(0);
  });

  it("never touches the originals, whatever it does", async () => {
    const fresh = join(root, "fresh");
    const before = await hashesBelow(input);
    const own = ["--library", fresh];
    await run(["import", input, "--copy", ...own]);
    await run(["batch", "run", "--all", ...FAST, ...own]);
    await run(["export", "--out", join(root, "fresh-export"), ...own]);
    expect(await hashesBelow(input)).toEqual(before);
  });
});

describe("what the program says of itself", () => {
  it("lists models and verifies them", async () => {
    const listed = await run(["models", "list"]);
    expect(listed.lines[0]).toMatchObject({ id: "autochrome-small", licence: "Apache-2.0" });
    expect(await run(["models", "verify"])).toMatchObject({ code: 0, summary: { failed: 0 } });
  });

  it("tries the devices: the CPU works everywhere", async () => {
    const { code, lines } = await run(["devices"]);
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({ device: "cpu", works: true, ms: expect.any(Number) });
    for (const line of lines.slice(0, -1)) {
      if (line.works !== true) expect(line.why).toEqual(expect.any(String));
    }
  });

  it("reports with doctor, in order and not in order", async () => {
    expect(await run(["doctor", ...library])).toMatchObject({ code: 0, summary: { problems: 0 } });
    const damaged = join(root, "damaged");
    await mkdir(damaged);
    await writeFile(
      join(damaged, "library.db"),
      "this is no database, but long enough to look like a file of one",
    );
    const { code, lines } = await run(["doctor", "--library", damaged]);
    expect(code).toBe(1);
    expect(lines).toContainEqual(expect.objectContaining({ about: "library database", ok: false }));
  });
});
