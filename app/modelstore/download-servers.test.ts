import { readdir, rm } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DownloadProgress } from "./progress.ts";
import {
  type Behaviour,
  bytesOf,
  CONTENT,
  chunked,
  ETAG,
  file,
  hangUp,
  redirect,
  SHA256,
  sha256,
  status,
  useDownloadBench,
  WRONG,
} from "./testing.ts";

const bench = useDownloadBench();

describe("a server that answers otherwise", () => {
  it.each([404, 410, 401, 403, 400])("is not asked again after %i", async (code) => {
    bench.server.on("/a", status(code, { "content-type": "text/html" }, "<html>no</html>"));
    bench.server.on("/b", file(CONTENT));
    await bench.fetchIt(["/a", "/b"]);
    expect(bench.server.requests.map(({ url }) => url)).toEqual(["/a", "/b"]);
    expect(bench.troubles.map(({ reason }) => reason)).toEqual([expect.stringContaining(String(code))]);
    await bench.expectWhole();
  });

  it.each([500, 502, 503, 429, 408])("is asked again after %i", async (code) => {
    bench.server.on("/a", status(code), status(code), file(CONTENT));
    await bench.fetchIt(["/a"]);
    expect(bench.server.requests).toHaveLength(3);
    await bench.expectWhole();
  });

  it("is left alone as long as it wants, up to a limit", async () => {
    bench.server.on(
      "/a",
      status(429, { "retry-after": "1" }),
      status(503, { "retry-after": new Date(Date.now() + 3_600_000).toUTCString() }),
      status(503, { "retry-after": "0" }),
      file(CONTENT),
    );
    await bench.fetchIt(["/a"], { longestWaitMs: 1234, backoffMs: 8 });
    expect(bench.troubles.map((trouble) => trouble.waitMs)).toEqual([1000, 1234, expect.any(Number)]);
    expect(bench.troubles[2]?.waitMs).toBeLessThanOrEqual(32);
    await bench.expectWhole();
  });

  it("with the whole file instead of a piece, loses nothing", async () => {
    bench.server.on("/a", file(CONTENT, { ranges: false, bytes: 200_000, end: "cut" }), status(500));
    bench.server.on(
      "/b",
      file(CONTENT, { ranges: false, bytes: 100_000, end: "cut" }),
      file(CONTENT, { ranges: false }),
    );
    await bench.fetchIt(["/a", "/b"], { retries: 1 });
    await bench.expectWhole();
    expect(bench.ranges().slice(-2)).toEqual(["bytes=200000-", "bytes=200000-"]);
  });

  it.each([
    "bytes 200000-299999/300000",
    "bytes 100000-299999/300001",
    "bytes 299999-100000/300000",
    "bytes 100000-300000/300000",
    "pages 1-2/3",
    "",
  ])("with another piece (%j) is asked for the whole", async (range) => {
    const piece = status(206, { "content-range": range }, "x".repeat(1000));
    bench.server.on("/a", file(CONTENT, { etag: ETAG, bytes: 100_000, end: "cut" }), piece, file(CONTENT));
    bench.server.on("/b", file(CONTENT));
    await bench.fetchIt(["/a", "/b"], { size: CONTENT.length });
    await bench.expectWhole();
  });

  it("with a piece that nobody can want is given up", async () => {
    bench.server.on("/a", status(206, { "content-range": "bytes 5-9/300000" }, "12345"));
    await expect(bench.fetchIt(["/a"])).rejects.toMatchObject({ code: "download-failed" });
    expect(await readdir(bench.folder)).toEqual([]);
  });

  it("with a web page instead of the file is told apart", async () => {
    const page = { "content-type": "text/html; charset=utf-8" };
    bench.server.on("/a", status(200, page, "<html>Please sign in to this hotel's network</html>"));
    const attempt = bench.fetchIt(["/a"]);
    await expect(attempt).rejects.toMatchObject({ code: "download-failed" });
    await expect(attempt).rejects.toThrow(/web page/);
    expect(await readdir(bench.folder)).toEqual([]);
  });

  it("with the file in another coding is told apart", async () => {
    bench.server.on("/a", file(CONTENT, { headers: { "content-encoding": "gzip" } }));
    await expect(bench.fetchIt(["/a"])).rejects.toThrow(/another form/);
  });
});

describe("a server that lies about the length", () => {
  it.each([
    ["too long", file(new Uint8Array(300_001))],
    ["too short", file(CONTENT.subarray(1))],
  ])("(%s) is found out before a byte is taken", async (_, behaviour) => {
    bench.server.on("/a", behaviour);
    bench.server.on("/b", file(CONTENT));
    const told: DownloadProgress[] = [];
    await bench.fetchIt(["/a", "/b"], {
      size: CONTENT.length,
      onProgress: (progress) => told.push(progress),
    });
    await bench.expectWhole();
    expect(told.some(({ source }) => source === bench.server.url("/a"))).toBe(false);
  });

  it("says more than it sends", async () => {
    bench.server.on("/a", file(CONTENT, { etag: ETAG, headers: { "content-length": "400000" }, end: "cut" }));
    await bench.fetchIt(["/a"]); // the digest is right as soon as the server owns up to the length with a 416
    await bench.expectWhole();
  });

  it("says less than it sends", async () => {
    bench.server.on("/a", file(CONTENT, { headers: { "content-length": "200000" } }));
    bench.server.on("/b", file(CONTENT));
    await bench.fetchIt(["/a", "/b"]);
    await bench.expectWhole();
  });

  it.each([
    ["more", Buffer.concat([CONTENT, Buffer.alloc(1000)])],
    ["less", CONTENT.subarray(0, 200_000)],
  ])("says nothing and sends %s", async (_, content) => {
    bench.server.on("/a", chunked(content));
    bench.server.on("/b", file(CONTENT));
    await bench.fetchIt(["/a", "/b"], { size: CONTENT.length });
    await bench.expectWhole();
  });

  it("says nothing and sends the file", async () => {
    bench.server.on("/a", chunked(CONTENT));
    await bench.fetchIt(["/a"]);
    await bench.expectWhole();
  });
});

describe("redirects", () => {
  it("are followed, also to another host and for pieces", async () => {
    bench.server.on("/a", redirect(bench.server.url("/b", "localhost")));
    bench.server.on("/b", redirect("/c"));
    bench.server.on(
      "/c",
      file(CONTENT, { etag: ETAG, bytes: 100_000, end: "cut" }),
      file(CONTENT, { etag: ETAG }),
    );
    expect((await bench.fetchIt(["/a"])).source).toBe(bench.server.url("/a"));
    await bench.expectWhole();
    expect(bench.ranges()).toEqual([undefined, undefined, undefined, ...Array(3).fill("bytes=100000-")]);
  });

  it.each([
    ["in circles", () => redirect("/a")],
    ["to nowhere", () => status(302)],
    ["to no address", () => redirect("http://[")],
    ["out of the web", () => redirect("file:///etc/passwd")],
  ])("%s are not followed", async (_, behaviour) => {
    bench.server.on("/a", behaviour());
    bench.server.on("/b", file(CONTENT));
    await bench.fetchIt(["/a", "/b"]);
    expect(bench.server.requests.length).toBeLessThanOrEqual(7);
    await bench.expectWhole();
  });
});

describe("wrong bytes", () => {
  it("are removed, and the mirror is asked", async () => {
    bench.server.on("/a", file(WRONG));
    bench.server.on("/b", file(CONTENT));
    expect((await bench.fetchIt(["/a", "/b"])).source).toBe(bench.server.url("/b"));
    expect(bench.ranges()).toEqual([undefined, undefined]);
    await bench.expectWhole();
  });

  it("from everywhere are refused, and nothing stays", async () => {
    bench.server.on("/a", file(WRONG));
    bench.server.on("/b", file(WRONG));
    await expect(bench.fetchIt(["/a", "/b"])).rejects.toMatchObject({
      code: "model-damaged",
      detail: expect.stringContaining(sha256(WRONG)),
    });
    expect(await readdir(bench.folder)).toEqual([]);
  });

  it("of one among several senders are told by letting each send alone", async () => {
    bench.server.on(
      "/a",
      file(CONTENT, { bytes: 100_000, end: "cut" }),
      status(500),
      status(500),
      file(CONTENT),
    );
    bench.server.on("/b", file(WRONG));
    expect((await bench.fetchIt(["/a", "/b"], { retries: 1 })).source).toBe(bench.server.url("/a"));
    await bench.expectWhole();
  });
});

describe("the server's own word on its file", () => {
  const says = (digest: string) => ({ "x-linked-etag": `"${digest}"`, "x-linked-size": "300000" });

  it("is what the file is checked against where the caller knows nothing", async () => {
    bench.server.on("/a", redirect("/file", says(SHA256)));
    bench.server.on("/file", file(WRONG), file(CONTENT));
    await expect(bench.fetchIt(["/a"], { sha256: undefined })).rejects.toMatchObject({
      code: "model-damaged",
    });
    expect(await readdir(bench.folder)).toEqual([]);
    expect(await bench.fetchIt(["/a"], { sha256: undefined })).toMatchObject({
      verifiedBy: "server",
      sha256: SHA256,
    });
    await bench.expectWhole();
  });

  it("spares a download that cannot be right", async () => {
    bench.server.on("/a", file(CONTENT, { headers: says(sha256(WRONG)) }));
    bench.server.on("/b", file(CONTENT, { headers: says(SHA256) }));
    expect(await bench.fetchIt(["/a", "/b"])).toMatchObject({
      source: bench.server.url("/b"),
      verifiedBy: "manifest",
    });
    expect(bench.troubles.map(({ reason }) => reason)).toEqual(["it has another file"]);
  });

  it("lets a mirror go on with what it sent, and no mirror that has another file", async () => {
    bench.server.on("/a", redirect("/file", says(SHA256)), status(404));
    bench.server.on("/file", file(CONTENT, { bytes: 100_000, end: "cut" }));
    bench.server.on("/b", file(WRONG, { headers: says(sha256(WRONG)) }));
    bench.server.on("/c", file(CONTENT));
    expect(await bench.fetchIt(["/a", "/b", "/c"], { sha256: undefined })).toMatchObject({
      source: bench.server.url("/c"),
      verifiedBy: "server",
    });
    expect(bench.ranges().at(-1)).toBe("bytes=100000-");
    await bench.expectWhole();
  });

  it("of another time gives way to what it says now", async () => {
    await bench.leavePart(WRONG.slice(0, 260_000), { sha256: sha256(WRONG), source: bench.server.url("/a") });
    bench.server.on("/a", file(CONTENT, { headers: says(SHA256) }));
    expect(await bench.fetchIt(["/a"], { sha256: undefined })).toMatchObject({ verifiedBy: "server" });
    await bench.expectWhole();
  });

  it("of another time is not held against a server that says nothing", async () => {
    await bench.leavePart(bytesOf(100_000, 2), { sha256: sha256(WRONG), source: bench.server.url("/a") });
    bench.server.on("/a", file(CONTENT));
    await expect(bench.fetchIt(["/a"], { sha256: undefined })).resolves.toMatchObject({
      verifiedBy: "nothing",
    });
    await bench.expectWhole();
  });

  it("where there is none, a file that changes meanwhile is begun anew", async () => {
    const older = bytesOf(300_000, 3);
    bench.server.on(
      "/a",
      file(older, { etag: ETAG, bytes: 100_000, end: "cut" }),
      file(CONTENT, { etag: '"two"' }),
    );
    await bench.fetchIt(["/a"], { sha256: undefined });
    await bench.expectWhole();
    // and one without an ETag always is
    bench.server.on("/b", file(older, { bytes: 100_000, end: "cut" }), file(CONTENT));
    await bench.fetchIt(["/b"], { sha256: undefined });
    await bench.expectWhole();
  });
});

describe("whatever servers do", () => {
  const size = fc.integer({ min: 0, max: CONTENT.length });
  const behaviour = fc.oneof(
    size.map((bytes) => file(CONTENT, { etag: ETAG, bytes, end: "cut" })),
    size.map((bytes) => file(CONTENT, { ranges: false, bytes, end: "cut" })),
    size.map((bytes) => file(WRONG, { etag: ETAG, bytes, end: "cut" })),
    size.map((length) => file(CONTENT.subarray(0, length), { etag: ETAG })),
    size.map((first) => status(206, { "content-range": `bytes ${first}-${first + 3}/300000` }, "1234")),
    size.map((bytes) => chunked(CONTENT, { bytes, end: "cut" })),
    size.map((bytes) => chunked(CONTENT.subarray(0, bytes))),
    fc.constantFrom<Behaviour>(
      file(WRONG, { etag: ETAG }),
      file(CONTENT, { etag: ETAG }),
      file(CONTENT, { headers: { "content-length": "300500" }, end: "cut" }),
      file(CONTENT, { headers: { "content-length": "200" } }),
      chunked(WRONG),
      hangUp,
      redirect("/a"),
      redirect("/b"),
      status(416, { "content-range": "bytes */300000" }),
      status(500),
      status(404),
      status(200, { "content-type": "text/html" }, "<html></html>"),
    ),
  );
  const behaviours = fc.array(behaviour, { minLength: 1, maxLength: 5 });

  it("the file appears right or not at all, and with an honest mirror it does appear", async () => {
    await fc.assert(
      fc.asyncProperty(
        behaviours,
        behaviours,
        fc.boolean(),
        fc.boolean(),
        async (a, b, isHonest, knowsSize) => {
          await rm(bench.folder, { recursive: true, force: true });
          bench.server.on("/a", ...a);
          bench.server.on("/b", ...b);
          bench.server.on("/honest", file(CONTENT, { etag: ETAG }));
          const outcome = await bench
            .fetchIt(["/a", "/b", ...(isHonest ? ["/honest"] : [])], {
              size: knowsSize ? CONTENT.length : undefined,
            })
            .catch((error: unknown) => error);
          if (outcome instanceof Error) {
            expect(isHonest).toBe(false);
            expect(outcome).toMatchObject({
              code: expect.stringMatching(/^(download-failed|model-damaged)$/),
            });
            for (const name of await readdir(bench.folder))
              expect(name).toMatch(/^model\.onnx\.part(\.state)?$/);
          } else {
            await bench.expectWhole();
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});
