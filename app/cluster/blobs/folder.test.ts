import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { QUICK, sha256Of, storeConformance } from "./conformance.ts";
import { type BlobFolder, openBlobFolder } from "./folder.ts";
import { batchKey, inputKey, outputKey } from "./keys.ts";
import { openBlobStore, openGrantedStore } from "./open.ts";

const run = promisify(execFile);

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-blob-folder-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

storeConformance(
  "folder",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "autochrome-blob-store-"));
    return {
      open: (patience) => openBlobStore({ kind: "folder", folder }, patience),
      openGrant: openGrantedStore,
      close: () => rm(folder, { recursive: true }),
    };
  },
  10_000_000,
);

describe("folder: uploads in pieces", () => {
  const bytes = Buffer.from("0123456789");
  const upload = { key: inputKey(sha256Of(bytes)), sha256: sha256Of(bytes), size: 10 };
  let blobs: BlobFolder;
  beforeEach(async () => {
    blobs = await openBlobFolder(root, { maxBytes: 0 });
  });

  async function* of(...chunks: (Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      if (chunk instanceof Error) throw chunk;
      yield chunk;
    }
  }

  it("go on where they stopped, also after the process was killed", async () => {
    const broken = blobs.receive(upload, 0, of(bytes.subarray(0, 4), new Error("cut")));
    await expect(broken).rejects.toThrow("cut");
    expect(await blobs.head(upload.key)).toBeUndefined();
    expect(await blobs.arrived(upload)).toBe(4);
    const next = await openBlobFolder(root, { maxBytes: 0 });
    expect(await next.receive(upload, 3, of(bytes.subarray(3)))).toEqual({ kind: "offset", offset: 4 });
    expect(await next.receive(upload, 4, of(bytes.subarray(4, 7)))).toEqual({ kind: "offset", offset: 7 });
    expect(await next.receive(upload, 7, of(bytes.subarray(7)))).toEqual({ kind: "whole" });
    expect(await next.head(upload.key)).toEqual({ size: 10 });
    expect(await readdir(join(root, ".incoming"))).toEqual([]);
  });

  it("keep nothing of what does not fit its digest or its size", async () => {
    const damaged = { code: "storage-damaged" };
    await expect(blobs.receive(upload, 0, of(Buffer.from("012345678x")))).rejects.toMatchObject(damaged);
    await expect(blobs.receive(upload, 0, of(bytes, bytes))).rejects.toMatchObject(damaged);
    await expect(
      blobs.receive({ ...upload, sha256: sha256Of(Buffer.from(root)) }, 0, of(bytes)),
    ).rejects.toMatchObject(damaged);
    expect(await blobs.arrived(upload)).toBe(0);
    expect(await blobs.head(upload.key)).toBeUndefined();
  });

  it("are one at a time, and a sleeping one gives way", async () => {
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    async function* sleeper(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 2);
      await stopped;
    }
    const asleep = blobs.receive(upload, 0, sleeper(), () => reject(new Error("stopped")));
    asleep.catch(() => undefined);
    await sleep(20);
    expect(await blobs.receive(upload, 2, of(bytes.subarray(2)))).toEqual({ kind: "busy" });
    const now = Date.now;
    Date.now = () => now() + 6000;
    try {
      expect(await blobs.receive(upload, 2, of(bytes.subarray(2)))).toEqual({ kind: "whole" });
    } finally {
      Date.now = now;
    }
    await expect(asleep).rejects.toThrow("stopped");
  });

  it("are swept away when nobody goes on with them for a day", async () => {
    await blobs.receive(upload, 0, of(bytes.subarray(0, 4)));
    await blobs.sweep();
    expect(await blobs.arrived(upload)).toBe(4);
    const [name = ""] = await readdir(join(root, ".incoming"));
    const old = new Date(Date.now() - 25 * 60 * 60 * 1000);
    await utimes(join(root, ".incoming", name), old, old);
    await blobs.sweep();
    expect(await blobs.arrived(upload)).toBe(0);
  });

  it("are refused above the limit; what is deleted makes room", async () => {
    const small = await openBlobFolder(root, { maxBytes: 25 });
    const key = (name: string) => ({ ...upload, key: outputKey("b", name) });
    await small.receive(key("1"), 0, of(bytes));
    await small.receive(key("2"), 0, of(bytes));
    expect(small.used()).toBe(20);
    await expect(small.receive(key("3"), 0, of(bytes))).rejects.toMatchObject({ code: "disk-full" });
    await small.receive(key("2"), 0, of(bytes)); // takes no more room than it had
    await small.remove(outputKey("b", "1"));
    await small.receive(key("3"), 0, of(bytes));
    expect((await openBlobFolder(root, { maxBytes: 25 })).used()).toBe(20);
  });

  it("leave no folder behind, and touch nothing that is no blob", async () => {
    await writeFile(join(root, "readme.txt"), "by hand");
    await blobs.receive({ ...upload, key: batchKey("b", "x") }, 0, of(bytes));
    await blobs.remove(batchKey("b", "x"));
    expect((await readdir(root)).sort()).toEqual([".incoming", "readme.txt"]);
    expect(await blobs.page("batch/", "")).toEqual({ entries: [], more: false });
  });
});

describe("folder: a disk that cannot be written", () => {
  it("is told in words", async () => {
    const store = await openBlobStore({ kind: "folder", folder: root, maxBytes: 1000 }, QUICK);
    expect(await store.check()).toMatchObject({ ok: true });
    await store.putBytes(batchKey("b", "x"), Buffer.alloc(900));
    expect(await store.check()).toMatchObject({ ok: false, message: "The storage of the service is full." });
    const target = join(root, "nowhere", "a.jpg");
    await expect(store.getFile(batchKey("b", "x"), target, { overwrite: false })).rejects.toThrow("ENOENT");
  });

  it("is really full, here or there: an error, and nothing is left", async (context) => {
    const small = join(root, "small");
    await mkdir(small);
    const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small]).catch(
      () => undefined,
    );
    if (mounted === undefined) return context.skip("no small disk can be made here");
    try {
      const file = join(root, "file");
      const bytes = randomBytes(3_000_000);
      await writeFile(file, bytes);
      const facts = { sha256: sha256Of(bytes), size: bytes.length };
      const there = await openBlobStore({ kind: "folder", folder: join(small, "blobs") }, QUICK);
      const full = { code: "disk-full", next: expect.stringMatching(/space/) };
      await expect(there.putFile(inputKey(facts.sha256), file, facts)).rejects.toMatchObject(full);
      expect(await readdir(join(small, "blobs"))).toEqual([".incoming"]);
      expect(await readdir(join(small, "blobs", ".incoming"))).toEqual([]);
      const store = await openBlobStore({ kind: "folder", folder: join(root, "blobs") }, QUICK);
      await store.putFile(inputKey(facts.sha256), file, facts);
      const target = join(small, "fetched.jpg");
      const here = { ...full, message: `The disk is full: ${target} could not be written.` };
      await expect(store.getFile(inputKey(facts.sha256), target, { overwrite: false })).rejects.toMatchObject(
        here,
      );
      expect(await readdir(small)).toEqual(["blobs"]);
    } finally {
      await run("umount", [small]);
    }
  });
});
