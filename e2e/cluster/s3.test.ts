// The S3 servers of this folder are real ones: the AWS SDK works with them, wrong keys do not, what was stored is
// there after a kill.
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startHttpFaultProxy } from "./fault-proxy.ts";
import { findS3Server, S3_KINDS, type S3Server, startS3Server } from "./s3.ts";

for (const kind of S3_KINDS) {
  const program = await findS3Server(kind);
  if (program.path === undefined) process.stderr.write(`S3 server ${kind}: skipped. ${program.missing}\n`);

  describe.skipIf(program.path === undefined)(kind, () => {
    let server: S3Server;
    beforeAll(async () => {
      server = await startS3Server(kind);
    });
    afterAll(() => server?.stop());

    const client = (endpoint: string, secretAccessKey = server.secretAccessKey) =>
      new S3Client({
        endpoint,
        region: server.region,
        forcePathStyle: true,
        credentials: { accessKeyId: server.accessKeyId, secretAccessKey },
        maxAttempts: 1,
      });
    const text = async (s3: S3Client, key: string) =>
      (await s3.send(new GetObjectCommand({ Bucket: server.bucket, Key: key }))).Body?.transformToString();

    it("stores and gives back, also through presigned addresses", async () => {
      const s3 = client(server.endpoint);
      await s3.send(new PutObjectCommand({ Bucket: server.bucket, Key: "a/b", Body: "hello" }));
      expect(await text(s3, "a/b")).toBe("hello");
      const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: server.bucket, Key: "a/b" }));
      expect(await (await fetch(url)).text()).toBe("hello");
    });

    it("refuses a wrong secret", async () => {
      const s3 = client(server.endpoint, "wrong");
      await expect(s3.send(new HeadBucketCommand({ Bucket: server.bucket }))).rejects.toMatchObject({
        $metadata: { httpStatusCode: 403 },
      });
    });

    it("is reached through the fault proxy with good signatures", async () => {
      const proxy = await startHttpFaultProxy(server.endpoint);
      const s3 = client(proxy.url);
      await s3.send(new PutObjectCommand({ Bucket: server.bucket, Key: "proxied", Body: "hello" }));
      expect(await text(s3, "proxied")).toBe("hello");
      proxy.next(1, { kind: "status", status: 503 });
      await expect(text(s3, "proxied")).rejects.toMatchObject({ $metadata: { httpStatusCode: 503 } });
      await proxy.stop();
    });

    it("goes down and comes up with what it had", async () => {
      const s3 = client(server.endpoint);
      await s3.send(new PutObjectCommand({ Bucket: server.bucket, Key: "kept", Body: "hello" }));
      await server.down();
      await expect(text(s3, "kept")).rejects.toThrow();
      await server.up();
      expect(await text(s3, "kept")).toBe("hello");
    });
  });
}
