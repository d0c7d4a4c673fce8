// What every store that is reached over a network has to bear, as tests. Must never: be imported by anything but tests.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AutochromeError } from "../../kernel/index.ts";
import { type Bench, leftovers, QUICK, type Subject, setUp } from "./conformance.ts";
import type { Fault, FaultyProxy, Seen } from "./faulty-proxy.ts";
import { batchKey, doneKey, inputKey, outputKey } from "./keys.ts";
import type { BlobStore } from "./store.ts";

/** A fault for the first requests of a kind, and none for those after. */
export function first(count: number, fault: Fault, isMeant: (seen: Seen) => boolean = () => true) {
  let left = count;
  return (seen: Seen) => (isMeant(seen) && left-- > 0 ? fault : undefined);
}

const isGet = ({ method }: Seen) => method === "GET";
const isPut = ({ method, url }: Seen) => method === "PUT" && !url.includes("uploads");

const faultOf: fc.Arbitrary<Fault> = fc.oneof(
  fc.constant<Fault>({ kind: "refuse" }),
  fc.record({ kind: fc.constant("cut" as const), after: fc.nat(120_000) }),
  fc.record({ kind: fc.constant("truncate" as const), to: fc.nat(120_000) }),
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(120_000) }),
  fc.record({
    kind: fc.constant("status" as const),
    status: fc.constantFrom(200, 204, 206, 302, 400, 404, 408, 416, 429, 500, 502, 503),
    body: fc.constantFrom("", "<html>Sign in</html>", "<Error><Code>SlowDown</Code></Error>", '{"error":{}}'),
  }),
);

/** @param large bytes of a file that needs several pieces @param piece bytes of such a piece */
export function faultConformance(
  name: string,
  start: () => Promise<Subject>,
  large: number,
  piece: number,
): void {
  describe(`${name}: what every store bears`, { timeout: 60_000 }, () => {
    const bench = setUp(start);
    const store = () => bench.store();
    const proxy = (): FaultyProxy => {
      const found = bench.subject().proxy;
      if (found === undefined) throw new Error("this store has no proxy");
      return found;
    };

    it("a download that breaks off again and again goes on where it stopped", async () => {
      const { key, bytes } = await put(bench, 1_000_000);
      proxy().seen.splice(0);
      proxy().faults(first(6, { kind: "cut", after: 150_000 }, isGet));
      const target = bench.target();
      await store().getFile(key, target, { overwrite: false });
      expect((await readFile(target)).equals(bytes)).toBe(true);
      const ranges = proxy().seen.map(({ range }) => range);
      expect(ranges[0]).toBeUndefined();
      expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ""))).toBe(true);
    });

    it.each<Fault>([
      { kind: "flip", at: 70_000 },
      { kind: "truncate", to: 70_000 },
      { kind: "stall", after: 70_000 },
      { kind: "refuse" },
      { kind: "slow", ms: 300 },
      { kind: "slow", ms: 3500 },
      { kind: "status", status: 500 },
      { kind: "status", status: 503, headers: { "Retry-After": "1" } },
      { kind: "status", status: 429, headers: { "Retry-After": "0" } },
    ])("a download survives %o", async (fault) => {
      const { key, bytes } = await put(bench, 200_000);
      proxy().faults(first(fault.kind === "slow" ? 1 : 2, fault, isGet));
      const target = bench.target();
      await store().getFile(key, target, { overwrite: false });
      expect((await readFile(target)).equals(bytes)).toBe(true);
    });

    it("wrong bytes never become a file", async () => {
      const { key } = await put(bench, 200_000);
      const record = doneKey(bench.batch(), 0, 0);
      await store().putBytes(record, Buffer.from('{"sha256":"0123"}'));
      const target = bench.target();
      for (const fault of [{ kind: "flip", at: 10 } as const, { kind: "truncate", to: 70 } as const]) {
        proxy().faults(() => fault);
        const failure = { code: "storage-damaged", next: expect.any(String) };
        await expect(store().getFile(key, target, { overwrite: false })).rejects.toMatchObject(failure);
        await expect(store().getBytes(record, { maxBytes: 1000 })).rejects.toMatchObject(failure);
      }
      await expect(readFile(target)).rejects.toThrow("ENOENT");
      expect(await leftovers(bench.folder)).toEqual([]);
    });

    it("an upload that breaks off goes on and does not begin anew", async () => {
      const { path, facts, bytes } = await bench.file(large);
      const key = inputKey(facts.sha256);
      let sent = 0;
      // each third piece breaks off; what was there before it stays
      proxy().faults((seen) =>
        isPut(seen) && ++sent % 3 === 0 ? { kind: "cut-upload", after: piece / 2 } : undefined,
      );
      await store().putFile(key, path, facts);
      proxy().faults();
      const uploaded = proxy().seen.reduce((sum, one) => sum + one.uploaded, 0);
      expect(uploaded).toBeLessThan(large + 3 * piece);
      const target = bench.target();
      await store().getFile(key, target, { overwrite: false });
      expect((await readFile(target)).equals(bytes)).toBe(true);
    });

    it("an upload that was given up is gone on with by the next process", async () => {
      const { path, facts } = await bench.file(large);
      const key = inputKey(facts.sha256);
      proxy().faults((seen) =>
        isPut(seen) && proxy().seen.filter(isPut).length > 2 ? { kind: "refuse" } : undefined,
      );
      await expect(store().putFile(key, path, facts)).rejects.toMatchObject({ code: "storage-unreachable" });
      expect(await store().head(key)).toBeUndefined();
      const before = proxy().seen.reduce((sum, one) => sum + one.uploaded, 0);
      proxy().faults();
      proxy().seen.splice(0);
      const next = await bench.subject().open(QUICK);
      await next.putFile(key, path, facts);
      await next.close();
      const uploaded = proxy().seen.reduce((sum, one) => sum + one.uploaded, 0);
      expect(before).toBeGreaterThanOrEqual(piece);
      expect(uploaded).toBeLessThanOrEqual(large - piece + 10_000); // and a few words of XML
      await store().getFile(key, bench.target(), { overwrite: false });
    });

    it.each<Fault>([
      { kind: "flip-upload", at: 1000 },
      { kind: "cut-upload", after: 1000 },
      { kind: "lose-answer" },
      { kind: "refuse" },
      { kind: "status", status: 503, headers: { "Retry-After": "0" } },
    ])("an upload survives %o", async (fault) => {
      const { path, facts, bytes } = await bench.file(100_000);
      const key = outputKey(bench.batch(), "000001");
      proxy().faults(first(2, fault, isPut));
      await store().putFile(key, path, facts);
      proxy().faults();
      const target = bench.target();
      await store().getFile(key, target, { overwrite: false, ...facts });
      expect((await readFile(target)).equals(bytes)).toBe(true);
    });

    it("what arrives changed is refused by the store itself", async () => {
      const { path, facts } = await bench.file(100_000);
      const key = inputKey(facts.sha256);
      proxy().faults((seen) => (isPut(seen) ? { kind: "flip-upload", at: 5000 } : undefined));
      await expect(store().putFile(key, path, facts)).rejects.toMatchObject({ code: "storage-damaged" });
      proxy().faults();
      expect(await store().head(key)).toBeUndefined();
    });

    it("gives up after a few attempts, and says what to do", async () => {
      const key = batchKey(bench.batch(), "x");
      const attempts = async (fault: Fault, code: string) => {
        proxy().seen.splice(0);
        proxy().faults(() => fault);
        const error = await store()
          .putBytes(key, randomBytes(10))
          .catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(AutochromeError);
        if (!(error instanceof AutochromeError)) throw error;
        expect(error.code).toBe(code);
        expect(error.message).toContain(store().place.split(" at ").at(-1));
        expect(error.next).toMatch(/\.$/);
        return proxy().seen.length;
      };
      expect(await attempts({ kind: "status", status: 503 }, "storage-failed")).toBe(QUICK.retries + 1);
      expect(await attempts({ kind: "status", status: 429 }, "storage-failed")).toBe(QUICK.retries + 1);
      expect(await attempts({ kind: "refuse" }, "storage-unreachable")).toBe(QUICK.retries + 1);
      expect(await attempts({ kind: "status", status: 403 }, "storage-denied")).toBe(1);
      expect(await attempts({ kind: "status", status: 413 }, "storage-denied")).toBe(1);
      expect(await attempts({ kind: "status", status: 507 }, "storage-denied")).toBe(1);
      expect(
        await attempts(
          { kind: "status", status: 302, headers: { Location: "http://127.0.0.1:1/" } },
          "storage-failed",
        ),
      ).toBe(1);
    });

    it("is found to be bad, with the reason", async () => {
      const found = async (choose: (seen: Seen) => Fault | undefined) => {
        proxy().faults(choose);
        const { ok, message, next } = await store().check();
        expect(ok).toBe(false);
        expect(next).toMatch(/\.$/);
        return message;
      };
      const refusing = (method: string) => (seen: Seen) =>
        seen.method === method ? ({ kind: "status", status: 403 } as const) : undefined;
      expect(await found(() => ({ kind: "refuse" }))).toMatch(
        /cannot be reached: the connection broke off\.$/,
      );
      expect(await found(refusing("PUT"))).toMatch(/does not permit us to write there\.$/);
      expect(await found(refusing("GET"))).toMatch(/does not permit us to read what is there\.$/);
      const isDelete = ({ method, url }: Seen) => method === "DELETE" || url.endsWith("/blobs/delete");
      expect(await found((seen) => (isDelete(seen) ? { kind: "status", status: 403 } : undefined))).toMatch(
        /does not permit us to delete there\.$/,
      );
      expect(await found((seen) => (isPut(seen) ? { kind: "flip-upload", at: 3 } : undefined))).toMatch(
        /is not what was sent; nothing of it was kept\.$/,
      );
    });

    it("whatever happens, a get gives exactly what was put, or an error that says why", async () => {
      const { key, bytes } = await put(bench, 100_000);
      const record = doneKey(bench.batch(), 0, 0);
      const said = randomBytes(2000);
      await store().putBytes(record, said);
      const hasty = await bench.subject().open({ ...QUICK, retries: 2, backoffMs: 1, stallMs: 500 });
      let failures = 0;
      try {
        const both = async (faults: readonly (Fault | undefined)[]) => {
          let next = 0;
          proxy().faults(() => faults[next++]);
          const target = bench.target();
          const file = await outcome(hasty.getFile(key, target, { overwrite: false }));
          const shown = await readFile(target).catch(() => undefined);
          if (file === undefined) expect(shown?.equals(bytes)).toBe(true);
          else expect(shown).toBeUndefined();
          next = 0;
          const got = await outcome(
            hasty.getBytes(record, { maxBytes: 5000 }).then((back) => expect(said.equals(back)).toBe(true)),
          );
          if (file !== undefined || got !== undefined) failures++;
        };
        await fc.assert(
          fc.asyncProperty(fc.array(fc.option(faultOf, { nil: undefined }), { maxLength: 6 }), both),
          { numRuns: 60 },
        );
      } finally {
        proxy().faults();
        await hasty.close();
      }
      expect(failures).toBeGreaterThan(0);
      expect(await leftovers(bench.folder)).toEqual([]);
    });
  });
}

/** Puts a chance file under in/…. */
async function put(bench: Bench, size: number): Promise<{ readonly key: string; readonly bytes: Buffer }> {
  const { path, facts, bytes } = await bench.file(size);
  const key = inputKey(facts.sha256);
  const store: BlobStore = bench.store();
  await store.putFile(key, path, facts);
  return { key, bytes };
}

/** What a promise failed with; anything but our own kind of error fails the test. */
async function outcome(work: Promise<unknown>): Promise<AutochromeError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof AutochromeError && error.code !== "internal") return error;
    throw error;
  }
}
