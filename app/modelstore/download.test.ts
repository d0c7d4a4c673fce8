import { fork } from "node:child_process";
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import type { DownloadProgress } from "./progress.ts";
import {
  bytesOf,
  CONTENT,
  ETAG,
  file,
  hangUp,
  SHA256,
  sha256,
  silence,
  status,
  useDownloadBench,
  WRONG,
} from "./testing.ts";

const bench = useDownloadBench();

describe("a download", () => {
  it("is one plain request, checked while it comes", async () => {
    bench.server.on("/a", file(CONTENT, { etag: ETAG }));
    expect(await bench.fetchIt(["/a"], { size: CONTENT.length })).toEqual({
      sha256: SHA256,
      size: CONTENT.length,
      source: bench.server.url("/a"),
      verifiedBy: "manifest",
    });
    await bench.expectWhole();
    expect(bench.server.requests.map(({ method }) => method)).toEqual(["GET"]);
    expect(Object.keys(bench.server.requests[0]?.headers ?? {}).sort()).toEqual([
      "accept",
      "accept-encoding",
      "connection",
      "host",
      "user-agent",
    ]);
    expect(bench.server.requests[0]?.headers["user-agent"]).toBe("Autochrome");
  });

  it("tells how far it is, up to the end", async () => {
    bench.server.on(
      "/a",
      file(CONTENT, { etag: ETAG, bytes: 100_000, end: "cut" }),
      file(CONTENT, { etag: ETAG }),
    );
    const told: DownloadProgress[] = [];
    await bench.fetchIt(["/a"], { onProgress: (progress) => told.push(progress) });
    expect(told[0]).toEqual({
      received: 0,
      total: CONTENT.length,
      bytesPerSecond: 0,
      remainingMs: undefined,
      source: bench.server.url("/a"),
    });
    expect(told.at(-1)).toMatchObject({ received: CONTENT.length, total: CONTENT.length });
    const received = told.map((progress) => progress.received);
    expect(received).toEqual(received.toSorted((a, b) => a - b));
  });

  it("replaces a file that is there only when the new one is whole", async () => {
    await writeFile(bench.target, "old");
    bench.server.on("/a", file(CONTENT, { bytes: 1000, end: "cut" }));
    await expect(bench.fetchIt(["/a"])).rejects.toMatchObject({ code: "download-failed" });
    expect(await readFile(bench.target, "utf8")).toBe("old");
    bench.server.on("/a", file(CONTENT));
    await bench.fetchIt(["/a"]);
    await bench.expectWhole();
  });

  it("makes its folder", async () => {
    bench.target = join(bench.folder, "new", "folder", "model.onnx");
    bench.server.on("/a", file(CONTENT));
    await bench.fetchIt(["/a"]);
    expect(sha256(await readFile(bench.target))).toBe(SHA256);
  });

  it("refuses what is no address on the web", async () => {
    for (const source of ["file:///etc/passwd", "ftp://host/a", "model.onnx", ""]) {
      await expect(bench.fetchIt([source])).rejects.toMatchObject({ code: "usage" });
    }
    await expect(bench.fetchIt([])).rejects.toMatchObject({ code: "usage" });
    expect(await readdir(bench.folder)).toEqual([]);
  });
});

describe("a connection that breaks", () => {
  it("is taken up where it broke", async () => {
    bench.server.on(
      "/a",
      file(CONTENT, { etag: ETAG, bytes: 100_000, end: "cut" }),
      hangUp,
      file(CONTENT, { etag: ETAG, bytes: 50_000, end: "cut" }),
      file(CONTENT, { etag: ETAG }),
    );
    await bench.fetchIt(["/a"]);
    await bench.expectWhole();
    expect(bench.ranges()).toEqual([undefined, "bytes=100000-", "bytes=100000-", "bytes=150000-"]);
    expect(bench.server.requests.map(({ headers }) => headers["if-range"])).toEqual([
      undefined,
      ETAG,
      ETAG,
      ETAG,
    ]);
    expect(bench.troubles.every((trouble) => trouble.waitMs !== undefined)).toBe(true);
  });

  it("is taken up by the mirror", async () => {
    bench.server.on("/a", file(CONTENT, { etag: ETAG, bytes: 100_000, end: "cut" }), status(404));
    bench.server.on("/b", file(CONTENT, { etag: '"other"' }));
    expect((await bench.fetchIt(["/a", "/b"])).source).toBe(bench.server.url("/b"));
    await bench.expectWhole();
    expect(bench.ranges()).toEqual([undefined, "bytes=100000-", "bytes=100000-"]);
    expect(bench.server.requests[2]?.headers["if-range"]).toBeUndefined();
  });

  it("may break again and again, as long as something comes", async () => {
    bench.server.on("/a", file(CONTENT, { etag: ETAG, bytes: 70_000, end: "cut" }));
    await bench.fetchIt(["/a"], { retries: 1 });
    await bench.expectWhole();
  });

  it("is given up when nothing comes any more, and what came is kept", async () => {
    bench.server.on("/a", file(CONTENT, { etag: ETAG, bytes: 100_000, end: "cut" }), hangUp);
    await expect(bench.fetchIt(["/a"])).rejects.toMatchObject({ code: "download-failed" });
    expect(bench.server.requests).toHaveLength(4);
    expect((await readdir(bench.folder)).sort()).toEqual(["model.onnx.part", "model.onnx.part.state"]);
    expect((await stat(`${bench.target}.part`)).size).toBe(100_000);
  });

  it("is given up when it stalls, before the answer or in the middle", async () => {
    bench.server.on("/a", silence, file(CONTENT, { etag: ETAG, bytes: 100_000, end: "stall" }), silence);
    bench.server.on("/b", file(CONTENT));
    await bench.fetchIt(["/a", "/b"], { retries: 2 });
    await bench.expectWhole();
    expect(new Set(bench.troubles.map(({ reason }) => reason))).toEqual(new Set(["it stopped sending"]));
    expect(bench.ranges().at(-1)).toBe("bytes=100000-");
  });
});

describe("another time", () => {
  it("a stopped download goes on; stopping leaves the part and nothing else", async () => {
    bench.server.on(
      "/a",
      file(CONTENT, { etag: ETAG, bytes: 100_000, end: "stall" }),
      file(CONTENT, { etag: ETAG }),
    );
    const stop = new AbortController();
    const stopped = bench.fetchIt(["/a"], { signal: stop.signal, stallMs: 60_000 });
    await vi.waitUntil(async () => (await sizeOf(`${bench.target}.part`)) === 100_000, { timeout: 60_000 });
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    expect((await readdir(bench.folder)).sort()).toEqual(["model.onnx.part", "model.onnx.part.state"]);
    await bench.fetchIt(["/a"]);
    await bench.expectWhole();
    expect(bench.ranges()).toEqual([undefined, "bytes=100000-"]);
    await expect(bench.fetchIt(["/a"], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
  });

  it("one whose process was killed goes on", async () => {
    bench.server.on(
      "/a",
      file(CONTENT, { etag: ETAG, bytes: 100_000, end: "stall" }),
      file(CONTENT, { etag: ETAG }),
    );
    const script = join(bench.folder, "child.mts");
    const module = fileURLToPath(new URL("download.ts", import.meta.url));
    await writeFile(
      script,
      `import { download } from ${JSON.stringify(module)};
       await download({ sources: [${JSON.stringify(bench.server.url("/a"))}], target: ${JSON.stringify(bench.target)} });`,
    );
    const child = fork(script, { execArgv: [] });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    await vi.waitUntil(async () => (await sizeOf(`${bench.target}.part`)) === 100_000, { timeout: 60_000 });
    await expect(bench.fetchIt(["/a"])).rejects.toMatchObject({ code: "download-failed" }); // the other is at it
    child.kill("SIGKILL");
    await exited;
    await rm(script);
    await bench.fetchIt(["/a"]);
    await bench.expectWhole();
    expect(bench.ranges()).toEqual([undefined, "bytes=100000-"]);
  });

  it("two at the same time do not write one part", async () => {
    bench.server.on("/a", file(CONTENT));
    const results = await Promise.allSettled([bench.fetchIt(["/a"]), bench.fetchIt(["/a"])]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected"]);
    expect(results[1]).toMatchObject({ reason: { code: "download-failed" } });
    await bench.expectWhole();
  });

  it.each([
    ["is whole already", CONTENT, { sha256: SHA256 }],
    ["belongs to another file", bytesOf(100_000, 2), { sha256: sha256(bytesOf(1, 1)) }],
    ["has no word on what it is", bytesOf(100_000, 2), "not ours"],
    ["has wrong bytes", WRONG.subarray(0, 299_000), { sha256: SHA256 }],
    ["is longer than the file", new Uint8Array(400_000), { sha256: SHA256 }],
  ])("a part that %s does no harm", async (_, content, state) => {
    await bench.leavePart(content, typeof state === "string" ? [state] : state);
    bench.server.on("/a", file(CONTENT));
    await bench.fetchIt(["/a"]);
    await bench.expectWhole();
  });

  it("a part of an unknown file is gone on with only where the server says that it is the same", async () => {
    const half = CONTENT.slice(0, 150_000);
    bench.server.on("/a", file(CONTENT, { etag: ETAG }));
    const state = { source: bench.server.url("/a"), etag: ETAG };

    await bench.leavePart(half, state);
    expect(await bench.fetchIt(["/a"], { sha256: undefined })).toMatchObject({
      sha256: SHA256,
      verifiedBy: "nothing",
    });
    await bench.leavePart(half, { ...state, etag: '"older"' });
    await bench.fetchIt(["/a"], { sha256: undefined });
    await bench.leavePart(half, { ...state, source: bench.server.url("/b") });
    await bench.fetchIt(["/a"], { sha256: undefined });
    expect(bench.ranges()).toEqual(["bytes=150000-", "bytes=150000-", undefined]);
    await bench.expectWhole();
  });
});

describe("disks", () => {
  it("with too little room are found out before anything is asked", async () => {
    bench.server.on("/a", file(CONTENT));
    const attempt = bench.fetchIt(["/a"], { size: 2 ** 52 });
    await expect(attempt).rejects.toMatchObject({ code: "disk-full" });
    await expect(attempt).rejects.toThrow(/MB/);
    expect(bench.server.requests).toEqual([]);
    expect(await readdir(bench.folder)).toEqual([]);
  });

  it("with too little room for what the server has are found out before it sends", async () => {
    bench.server.on("/a", file(CONTENT, { headers: { "content-length": String(2 ** 49) }, end: "stall" }));
    await expect(bench.fetchIt(["/a"])).rejects.toMatchObject({ code: "disk-full" });
    expect(await readdir(bench.folder)).toEqual([]);
  });

  it("that fill up meanwhile are named, and what came is kept", async () => {
    const probe = await open(join(bench.folder, "probe"), "w");
    const write = vi.spyOn(Object.getPrototypeOf(probe), "write");
    await probe.close();
    await rm(join(bench.folder, "probe"));
    bench.server.on(
      "/a",
      file(CONTENT, { etag: ETAG, bytes: 100_000, end: "cut" }),
      file(CONTENT, { etag: ETAG }),
    );
    try {
      const options = {
        onTrouble: () =>
          write.mockRejectedValueOnce(
            Object.assign(new Error("no space"), { code: "ENOSPC", syscall: "write" }),
          ),
      };
      await expect(bench.fetchIt(["/a"], options)).rejects.toMatchObject({
        code: "disk-full",
        next: expect.stringMatching(/space/),
      });
    } finally {
      write.mockRestore();
    }
    expect((await readdir(bench.folder)).sort()).toEqual(["model.onnx.part", "model.onnx.part.state"]);
    await bench.fetchIt(["/a"]);
    expect(bench.ranges().at(-1)).toBe("bytes=100000-");
    await bench.expectWhole();
  });

  it("where a folder has the file's name are found out before anything is asked", async () => {
    await mkdir(bench.target);
    await expect(bench.fetchIt(["/a"])).rejects.toMatchObject({ code: "output-unwritable" });
    expect(bench.server.requests).toEqual([]);
    expect(await readdir(bench.folder)).toEqual(["model.onnx"]);
  });

  it("that cannot be written to are named", async () => {
    await writeFile(join(bench.folder, "file"), "");
    bench.target = join(bench.folder, "file", "model.onnx");
    await expect(bench.fetchIt(["/a"])).rejects.toMatchObject({ code: "output-unwritable" });
  });
});

const sizeOf = (path: string) =>
  stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
