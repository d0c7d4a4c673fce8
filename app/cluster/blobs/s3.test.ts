import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from "@aws-sdk/client-s3";
import { describe, expect, it, vi } from "vitest";
import { newId } from "../../kernel/index.ts";
import { collect, QUICK, type Subject, setUp, storeConformance } from "./conformance.ts";
import { faultConformance, first } from "./conformance-faults.ts";
import { type Seen, startFaultyProxy } from "./faulty-proxy.ts";
import { doneKey, donePrefix, inputKey, outputKey } from "./keys.ts";
import { openBlobStore, openGrantedStore, type StoreSettings } from "./open.ts";
import type { S3Settings } from "./s3.ts";
import { PART_BYTES } from "./s3-parts.ts";
import { type S3Choice, type S3Server, s3Choices } from "./s3-servers.ts";

const LARGE = 2 * PART_BYTES + 5_000_000;

interface S3Subject extends Subject {
  readonly server: S3Server;
  readonly settings: S3Settings;
}

async function start(choice: S3Choice, current: { subject?: S3Subject }): Promise<S3Subject> {
  const server = await choice.start();
  const proxy = await startFaultyProxy(server.endpoint);
  const { accessKeyId, secretAccessKey, bucket } = server;
  const settings: S3Settings = {
    endpoint: proxy.url,
    bucket,
    prefix: `tests/${newId()}/`,
    credentials: { accessKeyId, secretAccessKey },
  };
  await makeBucket(settings);
  const subject: S3Subject = {
    server,
    settings,
    proxy,
    open: (patience) => openBlobStore({ kind: "s3", ...settings }, patience),
    openGrant: openGrantedStore,
    async close() {
      await proxy.close();
      await server.stop();
    },
  };
  current.subject = subject;
  return subject;
}

async function makeBucket({ endpoint, bucket, credentials }: S3Settings): Promise<void> {
  if (endpoint === undefined || credentials === undefined) throw new Error("these settings are not enough");
  const client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket })).catch(() => undefined); // it is there already
  client.destroy();
}

for (const choice of s3Choices()) {
  const name = `S3 (${choice.name})`;
  if (choice.missing !== undefined) {
    describe.skip(`${name}: not tried, ${choice.missing}`, () => it("would be tried", () => expect.fail()));
    continue;
  }
  const current: { subject?: S3Subject } = {};
  storeConformance(name, () => start(choice, current), LARGE);
  faultConformance(name, () => start(choice, current), LARGE, PART_BYTES);

  describe(`${name}: what only S3 has`, { timeout: 60_000 }, () => {
    const bench = setUp(() => start(choice, current));
    const subject = (): S3Subject => {
      if (current.subject === undefined) throw new Error("nothing was started");
      return current.subject;
    };
    const failing = async (change: Partial<S3Settings>) => {
      const settings: StoreSettings = { kind: "s3", ...subject().settings, ...change };
      const store = await openBlobStore(settings, QUICK);
      const { ok, message, next } = await store.check();
      await store.close();
      expect(ok).toBe(false);
      expect(next).toMatch(/\.$/);
      return message;
    };

    /** Signed by a clock that was right then: no answer of the store corrects it. */
    const grantOfYesterday = async (read: string[], write: string[]) => {
      subject().proxy?.faults(() => ({ kind: "refuse" }));
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 24 * 3_600_000 });
      const store = await bench.subject().open(QUICK);
      try {
        return await store.grant({ read, write, seconds: 60 });
      } finally {
        vi.useRealTimers();
        subject().proxy?.faults();
        await store.close();
      }
    };

    it("says what is wrong with the settings", async () => {
      const { server } = subject();
      expect(await failing({ bucket: "no-such-bucket-here" })).toMatch(
        /^There is no such thing as the bucket no-such/,
      );
      const { accessKeyId } = server;
      expect(await failing({ credentials: { accessKeyId, secretAccessKey: "wrong" } })).toMatch(
        /know this key\.$/,
      );
      expect(await failing({ credentials: { accessKeyId: "nobody", secretAccessKey: "wrong" } })).toMatch(
        /does not know this key\.$/,
      );
      await expect(failing({ endpoint: "storage" })).rejects.toMatchObject({ code: "usage" });
      expect(await failing({ endpoint: "http://127.0.0.1:1" })).toMatch(
        /cannot be reached: it refuses the connection\.$/,
      );
      expect(await failing({ endpoint: "http://no-such-name.invalid" })).toMatch(
        /cannot be reached: its name (is not known on this network|cannot be looked up)\.$/,
      );
    });

    it("makes up for a clock that is hours wrong, and says so", async () => {
      const { path, facts } = await bench.file(1000);
      const key = inputKey(facts.sha256);
      for (const hours of [-1, 3]) {
        vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + hours * 3_600_000 });
        const store = await bench.subject().open(QUICK);
        const early = await bench.subject().open(QUICK);
        try {
          const grant = await early.grant({ read: [key], write: [], seconds: 60 });
          await Promise.all([store.putFile(key, path, facts), store.head(key), store.head(key)]);
          const pod = await openGrantedStore(grant, QUICK);
          expect(await pod.head(key)).toEqual({ size: 1000 });
          await pod.close();
          const { ok, message } = await store.check();
          expect(ok).toBe(true);
          expect(message).toContain(`clock is ${hours === 3 ? "180 minutes fast" : "60 minutes slow"};`);
        } finally {
          vi.useRealTimers();
          await Promise.all([store.close(), early.close()]);
        }
      }
    });

    it("says that the clock is wrong where nobody tells the time", async () => {
      const body =
        "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the server's time is too large.</Message></Error>";
      subject().proxy?.faults(({ method }) =>
        method === "PUT" ? { kind: "status", status: 403, body } : { kind: "strip", names: ["date"] },
      );
      const { ok, message, next } = await bench.store().check();
      expect({ ok, message, next }).toEqual({
        ok: false,
        message: expect.stringContaining("because the clock of this computer is wrong."),
        next: expect.stringContaining("Set date, time and time zone"),
      });
    });

    it("refuses permissions whose time is over, and those for other keys", async () => {
      const { path, facts } = await bench.file(1000);
      const [key, result] = [inputKey(facts.sha256), outputKey(bench.batch(), "a")];
      await bench.store().putFile(key, path, facts);
      const grant = await grantOfYesterday([key], [result]);
      const late = await openGrantedStore(grant, QUICK);
      const expired = {
        code: "storage-denied",
        message: expect.stringMatching(/^The permission .* has expired\.$/),
      };
      await expect(late.getFile(key, bench.target(), { overwrite: false })).rejects.toMatchObject(expired);
      await expect(late.putFile(result, path, facts)).rejects.toMatchObject(expired);
      await late.close();
      const pod = await openGrantedStore(
        await bench.store().grant({ read: [key], write: [], seconds: 60 }),
        QUICK,
      );
      const outside = { code: "storage-denied" };
      await expect(pod.putFile(result, path, facts)).rejects.toMatchObject(outside);
      await expect(pod.getBytes(result, { maxBytes: 10 })).rejects.toMatchObject(outside);
      await expect(pod.delete([key])).rejects.toMatchObject(outside);
      await expect(collect(pod, "in/")).rejects.toMatchObject(outside);
      expect(await bench.store().head(result)).toBeUndefined();
      await pod.close();
    });

    it("a permission to read an address cannot be used to write to it", async () => {
      const { path, facts } = await bench.file(1000);
      const key = inputKey(facts.sha256);
      await bench.store().putFile(key, path, facts);
      const grant = await bench.store().grant({ read: [key], write: [], seconds: 60 });
      if (grant.kind !== "s3") throw new Error("this is another store's grant");
      const turned = await openGrantedStore({ ...grant, write: grant.read }, QUICK);
      await writeFile(join(bench.folder, "other"), "other");
      await expect(turned.putBytes(outputKey("b", "c"), Buffer.from("x"))).rejects.toMatchObject({
        code: "storage-denied",
      });
      const { path: other, facts: changed } = await bench.file(999);
      const wire = { ...grant, write: { [outputKey("b", "c")]: grant.read[key] ?? "" } };
      const forged = await openGrantedStore(wire, QUICK);
      await expect(forged.putFile(outputKey("b", "c"), other, changed)).rejects.toMatchObject({
        code: "storage-denied",
      });
      expect(await bench.store().head(key)).toEqual({ size: 1000 });
      await Promise.all([turned.close(), forged.close()]);
    });

    it("deletes one by one where no lists are taken", async () => {
      const keys = [0, 1, 2].map((item) => doneKey(bench.batch(), 0, item));
      for (const key of keys) await bench.store().putBytes(key, Buffer.from("x"));
      const body = "<Error><Code>NotImplemented</Code></Error>";
      subject().proxy?.faults(
        first(1, { kind: "status", status: 501, body }, ({ method }) => method === "POST"),
      );
      await bench.store().delete(keys);
      expect(await collect(bench.store(), donePrefix(bench.batch()))).toEqual([]);
    });

    it("leaves no unfinished upload behind when a file was sent", async () => {
      const { path, facts } = await bench.file(LARGE);
      subject().proxy?.faults(
        first(2, { kind: "refuse" }, ({ method, url }) => method === "PUT" && url.includes("partNumber=2")),
      );
      await bench.store().putFile(inputKey(facts.sha256), path, facts);
      const { endpoint, bucket, credentials } = subject().settings;
      if (endpoint === undefined || credentials === undefined)
        throw new Error("these settings are not enough");
      const client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
      expect(Uploads.filter(({ Key }) => Key?.endsWith(facts.sha256))).toEqual([]);
      client.destroy();
    });

    it("does not send a large file twice because the last answer was lost", async () => {
      const { path, facts } = await bench.file(LARGE);
      const isEnd = ({ method, url }: Seen) => method === "POST" && url.includes("uploadId=");
      subject().proxy?.faults(first(1, { kind: "lose-answer" }, isEnd));
      await bench.store().putFile(inputKey(facts.sha256), path, facts);
      const uploaded = subject().proxy?.seen.reduce((sum, one) => sum + one.uploaded, 0);
      expect(uploaded).toBeLessThan(LARGE + 10_000);
      expect(await bench.store().head(inputKey(facts.sha256))).toEqual({ size: LARGE });
    });

    it("sends no checksums that only Amazon knows", async () => {
      const { path, facts } = await bench.file(1000);
      const grant = await bench.store().grant({ read: [], write: [outputKey("b", "c")], seconds: 60 });
      expect(JSON.stringify(grant)).not.toMatch(/checksum|crc/i);
      await bench.store().putFile(inputKey(facts.sha256), path, facts);
      expect(subject().proxy?.seen.some(({ url }) => /checksum|crc/i.test(url))).toBe(false);
    });
  });
}
