// What every store has to do, as tests that each back end runs. Must never: be imported by anything but tests.
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { newId } from "../../kernel/index.ts";
import type { FaultyProxy } from "./faulty-proxy.ts";
import { batchKey, doneKey, donePrefix, inputKey, outputKey } from "./keys.ts";
import type { BlobStore, FileFacts, Grant } from "./store.ts";
import type { Patience } from "./trouble.ts";

export interface Subject {
  open(patience: Partial<Patience>): Promise<BlobStore>;
  openGrant(grant: Grant, patience: Partial<Patience>): Promise<BlobStore>;
  /** In front of the store, where it is reached over a network. */
  readonly proxy?: FaultyProxy | undefined;
  close(): Promise<void>;
}

/** Waits of tests; the longest is that of a server's Retry-After: 1. */
export const QUICK: Patience = { retries: 4, backoffMs: 10, longestWaitMs: 1500, stallMs: 3000 };

export interface Bench {
  readonly folder: string;
  subject(): Subject;
  store(): BlobStore;
  /** A batch that no other test knows. */
  batch(): string;
  /** A new file with chance content. */
  file(size: number): Promise<{ readonly path: string; readonly bytes: Buffer; readonly facts: FileFacts }>;
  /** A path for a file to be fetched. */
  target(): string;
}

/** Sets a subject up for the tests of a describe block. */
export function setUp(start: () => Promise<Subject>): Bench {
  let subject: Subject;
  let store: BlobStore;
  let folder = "";
  let batch = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "autochrome-blobs-"));
    subject = await start();
    store = await subject.open(QUICK);
  }, 60_000);
  beforeEach(() => {
    batch = newId();
    subject.proxy?.faults();
    subject.proxy?.seen.splice(0);
  });
  afterAll(async () => {
    await store?.close();
    await subject?.close();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);
  return {
    get folder() {
      return folder;
    },
    subject: () => subject,
    store: () => store,
    batch: () => batch,
    async file(size) {
      const bytes = randomBytes(size);
      const path = join(folder, newId());
      await writeFile(path, bytes);
      return { path, bytes, facts: { size, sha256: sha256Of(bytes) } };
    },
    target: () => join(folder, `${newId()}.bin`),
  };
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Names in a folder that nobody should see: files that are not whole. */
export async function leftovers(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith("."));
}

export async function collect(store: BlobStore, prefix: string, after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, after === undefined ? {} : { after })) keys.push(key);
  return keys;
}

/** @param large bytes of a file that needs several pieces */
export function storeConformance(name: string, start: () => Promise<Subject>, large: number): void {
  describe(`${name}: what every store does`, { timeout: 60_000 }, () => {
    const bench = setUp(start);
    const store = () => bench.store();

    it.each([0, 1, 65_536, 4 * 1024 * 1024 + 1])(
      "takes a file of %i bytes and gives it back",
      async (size) => {
        const { path, bytes, facts } = await bench.file(size);
        const key = inputKey(facts.sha256);
        await store().delete([key]); // all empty files are one
        expect(await store().putFile(key, path, facts)).toBe("sent");
        expect(await store().head(key)).toEqual({ size });
        expect(await store().putFile(key, path, facts)).toBe("there");
        const target = bench.target();
        await store().getFile(key, target, { overwrite: false, ...facts });
        expect((await readFile(target)).equals(bytes)).toBe(true);
      },
    );

    it("takes a large file piece by piece, and tells how far it is", async () => {
      const { path, bytes, facts } = await bench.file(large);
      const key = inputKey(facts.sha256);
      const sent: number[] = [];
      await store().putFile(key, path, facts, { onProgress: (count) => sent.push(count) });
      expect(sent.length).toBeGreaterThan(1);
      expect(sent).toEqual([...sent].sort((a, b) => a - b));
      expect(sent.at(-1)).toBe(large);
      const got: number[] = [];
      const target = bench.target();
      await store().getFile(key, target, { overwrite: false }, { onProgress: (count) => got.push(count) });
      expect(got).toEqual([...got].sort((a, b) => a - b));
      expect(got.at(-1)).toBe(large);
      expect((await readFile(target)).equals(bytes)).toBe(true);
    });

    it("knows nothing of what was never put there", async () => {
      const key = inputKey(sha256Of(randomBytes(8)));
      expect(await store().head(key)).toBeUndefined();
      const target = bench.target();
      await expect(store().getFile(key, target, { overwrite: false })).rejects.toMatchObject({
        code: "not-found",
      });
      await expect(store().getBytes(key, { maxBytes: 10 })).rejects.toMatchObject({ code: "not-found" });
      await expect(readFile(target)).rejects.toThrow("ENOENT");
      expect(await leftovers(bench.folder)).toEqual([]);
    });

    it("replaces bytes and results, and never inputs", async () => {
      const key = batchKey(bench.batch(), "manifest.json");
      await store().putBytes(key, Buffer.from("one"));
      await store().putBytes(key, Buffer.from("two, and longer"));
      expect(Buffer.from(await store().getBytes(key, { maxBytes: 100 })).toString()).toBe("two, and longer");
      await expect(store().getBytes(key, { maxBytes: 5 })).rejects.toMatchObject({ code: "storage-damaged" });
      const [first, second] = [await bench.file(1000), await bench.file(2000)];
      const result = outputKey(bench.batch(), "000001");
      await store().putFile(result, first.path, first.facts);
      await store().putFile(result, second.path, second.facts);
      const target = bench.target();
      await store().getFile(result, target, { overwrite: false, sha256: second.facts.sha256 });
      expect((await readFile(target)).equals(second.bytes)).toBe(true);
      const input = inputKey(first.facts.sha256);
      await expect(store().putFile(input, second.path, second.facts)).rejects.toMatchObject({
        code: "internal",
      });
      await expect(store().putBytes(input, second.bytes)).rejects.toMatchObject({ code: "internal" });
      await store().putBytes(input, first.bytes);
      expect(first.bytes.equals(await store().getBytes(input, { maxBytes: 1000 }))).toBe(true);
    });

    it("refuses a file that is not what was promised, and keeps nothing of it", async () => {
      const { path, facts } = await bench.file(10_000);
      await writeFile(path, randomBytes(10_000)); // somebody edits it meanwhile
      const key = inputKey(facts.sha256);
      await expect(store().putFile(key, path, facts)).rejects.toMatchObject({ code: "unreadable-file" });
      await writeFile(path, randomBytes(9000));
      await expect(store().putFile(key, path, facts)).rejects.toMatchObject({ code: "unreadable-file" });
      await rm(path);
      await expect(store().putFile(key, path, facts)).rejects.toMatchObject({ code: "unreadable-file" });
      expect(await store().head(key)).toBeUndefined();
    });

    it("lets no file appear that is not what it should be", async () => {
      const { path, facts, bytes } = await bench.file(5000);
      const key = outputKey(bench.batch(), "000001");
      await store().putFile(key, path, facts);
      const target = bench.target();
      const other = { sha256: sha256Of(randomBytes(4)), overwrite: true };
      await expect(store().getFile(key, target, other)).rejects.toMatchObject({ code: "storage-damaged" });
      await expect(store().getFile(key, target, { size: 4999, overwrite: true })).rejects.toMatchObject({
        code: "storage-damaged",
      });
      await expect(readFile(target)).rejects.toThrow("ENOENT");
      await writeFile(target, "mine");
      await expect(store().getFile(key, target, { overwrite: false })).rejects.toMatchObject({
        code: "output-exists",
      });
      expect(await readFile(target, "utf8")).toBe("mine");
      await store().getFile(key, target, { overwrite: true, ...facts });
      expect((await readFile(target)).equals(bytes)).toBe(true);
      expect(await leftovers(bench.folder)).toEqual([]);
    });

    it("lists in order, from where one was, with sizes and times", async () => {
      const batch = bench.batch();
      const keys = [
        doneKey(batch, 0, 0),
        doneKey(batch, 0, 1),
        doneKey(batch, 0, 10),
        doneKey(batch, 1, 2),
        doneKey(batch, 12, 0),
      ];
      for (const key of [...keys].reverse()) await store().putBytes(key, Buffer.from("{}"));
      expect(await collect(store(), donePrefix(batch))).toEqual(keys);
      expect(await collect(store(), donePrefix(batch), keys[1])).toEqual(keys.slice(2));
      expect(await collect(store(), donePrefix(batch), doneKey(batch, 0, 5))).toEqual(keys.slice(2));
      expect(await collect(store(), donePrefix(batch), keys.at(-1))).toEqual([]);
      expect(await collect(store(), donePrefix(batch, 0))).toEqual(keys.slice(0, 3));
      expect(await collect(store(), donePrefix(batch, 0), keys[1])).toEqual([keys[2]]);
      expect(await collect(store(), donePrefix(newId()))).toEqual([]);
      for await (const { size, modified } of store().list(donePrefix(batch, 1))) {
        expect(size).toBe((await store().head(keys[3] as string))?.size);
        expect(Math.abs(Date.now() - Date.parse(modified))).toBeLessThan(10 * 60_000);
      }
    });

    it("lists and deletes more than fits on one page", async () => {
      const batch = bench.batch();
      const keys = Array.from({ length: 1003 }, (_, item) => doneKey(batch, 7, item));
      for (let start = 0; start < keys.length; start += 16) {
        await Promise.all(
          keys.slice(start, start + 16).map((key) => store().putBytes(key, Buffer.from("x"))),
        );
      }
      expect(await collect(store(), donePrefix(batch))).toEqual(keys);
      expect(await collect(store(), donePrefix(batch), keys[998])).toEqual(keys.slice(999));
      await store().delete([...keys.slice(0, 1002), doneKey(batch, 8, 8)]);
      expect(await collect(store(), donePrefix(batch))).toEqual(keys.slice(1002));
      await store().delete(keys);
      expect(await collect(store(), donePrefix(batch))).toEqual([]);
      expect(await store().head(keys[0] as string)).toBeUndefined();
    });

    it("stops when it is told to, and shows nothing of what was stopped", async () => {
      const { path, facts, bytes } = await bench.file(large);
      const key = inputKey(facts.sha256);
      const stop = new AbortController();
      const reason = new Error("enough");
      const options = { signal: stop.signal, onProgress: () => stop.abort(reason) };
      await expect(store().putFile(key, path, facts, options)).rejects.toBe(reason);
      expect(await store().head(key)).toBeUndefined();
      await store().putFile(key, path, facts);
      const again = new AbortController();
      const target = bench.target();
      const getting = store().getFile(
        key,
        target,
        { overwrite: false },
        { signal: again.signal, onProgress: () => again.abort(reason) },
      );
      await expect(getting).rejects.toBe(reason);
      await expect(store().head(key, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect(await leftovers(bench.folder)).toEqual([]);
      await store().getFile(key, target, { overwrite: false });
      expect((await readFile(target)).equals(bytes)).toBe(true);
    });

    it("lets somebody else at what was granted", async () => {
      const batch = bench.batch();
      const { path, facts, bytes } = await bench.file(70_000);
      const [input, result, record] = [
        inputKey(facts.sha256),
        outputKey(batch, "000001"),
        doneKey(batch, 0, 0),
      ];
      await store().putFile(input, path, facts);
      const grant = await store().grant({ read: [input], write: [result, record], seconds: 600 });
      expect(Date.parse(grant.expires)).toBeGreaterThan(Date.now() + 500_000);
      const pod = await bench.subject().openGrant(grant, QUICK);
      try {
        expect(await pod.head(input)).toEqual({ size: 70_000 });
        expect(await pod.head(record)).toBeUndefined();
        const target = bench.target();
        await pod.getFile(input, target, { overwrite: false });
        expect((await readFile(target)).equals(bytes)).toBe(true);
        const made = await bench.file(large);
        await pod.putFile(result, made.path, made.facts);
        const empty = await bench.file(0);
        await pod.putFile(result, empty.path, empty.facts);
        expect(await pod.head(result)).toEqual({ size: 0 });
        await pod.putFile(result, made.path, made.facts);
        await pod.putBytes(record, Buffer.from(`{"sha256":"${made.facts.sha256}"}`));
        expect(Buffer.from(await pod.getBytes(record, { maxBytes: 1000 })).toString()).toContain(
          made.facts.sha256,
        );
        const fetched = bench.target();
        await store().getFile(result, fetched, { overwrite: false, ...made.facts });
        expect((await readFile(fetched)).equals(made.bytes)).toBe(true);
      } finally {
        await pod.close();
      }
    });

    it("refuses what is no key", async () => {
      for (const key of [
        "",
        "in/abc",
        "../x",
        "out/b/../../etc/passwd",
        `in/${"A".repeat(64)}`,
        "batch/b/a b",
      ]) {
        await expect(async () => store().head(key)).rejects.toMatchObject({ code: "usage" });
        await expect(store().putBytes(key, Buffer.from("x"))).rejects.toMatchObject({ code: "usage" });
        await expect(store().delete([key])).rejects.toMatchObject({ code: "usage" });
      }
      await expect(collect(store(), "")).rejects.toMatchObject({ code: "usage" });
      await expect(collect(store(), "/etc/")).rejects.toMatchObject({ code: "usage" });
      const key = batchKey(bench.batch(), "x");
      await expect(store().grant({ read: [key], write: [], seconds: 1 })).rejects.toMatchObject({
        code: "usage",
      });
    });

    it("is found to be good, and the probe is gone afterwards", async () => {
      expect(await store().check()).toEqual({
        ok: true,
        next: "",
        message: `The ${store().place} can be read and written.`,
      });
      expect(await collect(store(), "check/")).toEqual([]);
    });
  });
}
