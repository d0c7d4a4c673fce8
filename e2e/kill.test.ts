// Invariant 4: kill -9 a hundred times at random moments, restart, and the end state is exact.
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { countItems, listBatches, listItems, listVersions, openLibrary } from "../app/catalogue/index.ts";
import { hashesBelow, run, start } from "./cli.ts";

const KILLS = 100;
const PHOTOS = 16;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-kill-"));
  await mkdir(join(folder, "in"));
  for (let i = 0; i < PHOTOS; i++) {
    await sharp({
      create: {
        width: 160,
        height: 120,
        channels: 3,
        background: "#777",
        noise: { type: "gaussian", mean: 128, sigma: 40 },
      },
    })
      .greyscale()
      .jpeg()
      .toFile(join(folder, "in", `${i}.jpg`));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it(`survives kill -9 at ${KILLS} random moments of batches`, { timeout: 1_200_000 }, async () => {
  const library = join(folder, "library");
  const settings = { AUTOCHROME_WORKERS: "2", AUTOCHROME_INFERENCE_THREADS: "1" };
  const originals = await hashesBelow(join(folder, "in"));
  expect((await run(["import", join(folder, "in"), "--library", library])).summary).toMatchObject({
    imported: PHOTOS,
  });

  // How long an undisturbed batch takes, so that kills fall anywhere in one, on slow and on fast machines.
  const undisturbed = performance.now();
  expect(
    (await run(["batch", "run", "--all", "--library", library, "--model-size", "64"], settings)).code,
  ).toBe(0);
  const whole = performance.now() - undisturbed;

  let kills = 0;
  let current: string | undefined;
  for (let round = 0; kills < KILLS; round++) {
    expect(round).toBeLessThan(KILLS * 5);
    const command =
      current === undefined ? ["batch", "run", "--all", "--model-size", "64"] : ["batch", "resume", current];
    const running = start([...command, "--library", library], settings);
    const timer = setTimeout(() => running.child.kill("SIGKILL"), Math.random() * whole);
    const { code, lines } = await running.ended;
    clearTimeout(timer);
    if (code === null) kills++;
    else expect(code).toBe(0);
    const started = lines.find((line) => typeof line.batch === "string")?.batch as string | undefined;
    current = code === 0 ? undefined : (started ?? current);
  }

  const before = await openLibrary(library);
  const unfinished = listBatches(before.db).filter((batch) => batch.state !== "finished");
  before.close();
  for (const batch of unfinished) {
    expect((await run(["batch", "resume", batch.id, "--library", library], settings)).code).toBe(0);
  }

  const opened = await openLibrary(library);
  try {
    expect(opened.db.raw.pragma("integrity_check", { simple: true })).toBe("ok");
    expect(opened.db.raw.pragma("foreign_key_check")).toEqual([]);
    const recorded = new Map<string, string>();
    /** Photos by the files that their network's colours are kept in. */
    const colours = new Map<string, string>();
    for (const batch of listBatches(opened.db)) {
      expect(batch.state).toBe("finished");
      expect(countItems(opened.db, batch.id)).toEqual({
        queued: 0,
        running: 0,
        done: PHOTOS,
        failed: 0,
        cancelled: 0,
      });
      for (const item of listItems(opened.db, batch.id)) {
        const versions = listVersions(opened.db, item.photoId!).filter(
          (version) => version.itemId === item.id,
        );
        expect(versions.length).toBe(1); // neither lost nor done twice
        recorded.set(versions[0]!.file, versions[0]!.fileHash);
        expect(versions[0]!.chroma).toBeDefined();
        colours.set(versions[0]!.chroma!, item.photoId!);
      }
    }
    const files = new Map(
      [...(await hashesBelow(join(library, "versions")))].map(([path, hash]) => [
        `versions/${path.replaceAll("\\", "/")}`,
        hash,
      ]),
    );
    // A photo's colours are the same each time: a file that is not whole would differ.
    const ofPhoto = new Map<string, string>();
    for (const [path, photo] of colours) {
      const hash = files.get(path);
      expect(hash).toBeDefined();
      if (!ofPhoto.has(photo)) ofPhoto.set(photo, hash!);
      expect(hash).toBe(ofPhoto.get(photo));
      recorded.set(path, hash!);
    }
    // Every file is a version's, whole, and every version has its files.
    expect(files).toEqual(recorded);
  } finally {
    opened.close();
  }
  expect(await hashesBelow(join(folder, "in"))).toEqual(originals);
});
