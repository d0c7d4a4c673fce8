import { readdir } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { readContentRange, readRetryAfter, redirectTarget } from "./http.ts";
import { createReporter, type DownloadProgress } from "./progress.ts";
import { CONTENT, ETAG, file, startProxy, startServer, useDownloadBench } from "./testing.ts";

const bench = useDownloadBench();

describe("without a network", () => {
  it("says so at once, and what else can be done", async () => {
    const gone = await startServer();
    const address = gone.url("/a");
    await gone.close();
    await expect(bench.fetchIt([address, "http://no-such-host.invalid/a"])).rejects.toMatchObject({
      code: "no-network",
      next: expect.stringMatching(/import/),
    });
    expect(bench.troubles.every((trouble) => trouble.waitMs === undefined)).toBe(true);
    expect(await readdir(bench.folder)).toEqual([]);
  });

  it("asks a mirror that can be reached", async () => {
    bench.server.on("/b", file(CONTENT));
    await bench.fetchIt(["http://no-such-host.invalid/a", "/b"]);
    await bench.expectWhole();
  });
});

describe("proxies", () => {
  it("of the environment are used, but not for the hosts of NO_PROXY", async () => {
    const proxy = await startProxy();
    try {
      bench.server.on(
        "/a",
        file(CONTENT, { etag: ETAG, bytes: 100_000, end: "cut" }),
        file(CONTENT, { etag: ETAG }),
      );
      vi.stubEnv("HTTP_PROXY", proxy.url);
      await bench.fetchIt(["/a"]);
      await bench.expectWhole();
      expect(proxy.asked).toEqual([`GET ${bench.server.url("/a")}`, `GET ${bench.server.url("/a")}`]);
      vi.stubEnv("HTTP_PROXY", proxy.url.replace("http://", ""));
      await bench.fetchIt(["/a"]);
      expect(proxy.asked).toHaveLength(3);
      vi.stubEnv("NO_PROXY", "127.0.0.1");
      await bench.fetchIt(["/a"]);
      expect(proxy.asked).toHaveLength(3);
    } finally {
      await proxy.close();
    }
  });

  it("are asked for a tunnel where the connection is secure, and named when they refuse", async () => {
    const proxy = await startProxy();
    try {
      vi.stubEnv("HTTPS_PROXY", proxy.url);
      await expect(bench.fetchIt(["https://models.invalid/a"])).rejects.toThrow(
        /proxy does not let it through \(403\)/,
      );
      expect(proxy.asked).toEqual(["CONNECT models.invalid:443"]);
    } finally {
      await proxy.close();
    }
  });

  it("that want a password are named", async () => {
    const proxy = await startProxy(407);
    try {
      vi.stubEnv("HTTP_PROXY", proxy.url);
      await expect(bench.fetchIt(["/a"])).rejects.toThrow(/proxy.*407/);
      vi.stubEnv("HTTPS_PROXY", proxy.url);
      await expect(bench.fetchIt(["https://models.invalid/a"])).rejects.toThrow(/proxy.*407/);
    } finally {
      await proxy.close();
    }
  });

  it("that are no address are a mistake in the settings", async () => {
    vi.stubEnv("HTTP_PROXY", "http://:nonsense:");
    await expect(bench.fetchIt(["/a"])).rejects.toMatchObject({ code: "usage" });
    expect(await readdir(bench.folder)).toEqual([]);
  });
});

describe("headers", () => {
  const count = fc.nat({ max: 2 ** 40 });

  it("say which piece comes, and only such as there can be", () => {
    fc.assert(
      fc.property(count, count, fc.option(count), (first, last, total) => {
        const range = readContentRange(`bytes ${first}-${last}/${total ?? "*"}`);
        const isPossible = first <= last && (total === null || last < total);
        expect(range).toEqual(isPossible ? { first, last, total: total ?? undefined } : undefined);
      }),
    );
    expect(readContentRange("bytes */1000")).toEqual({ first: undefined, last: undefined, total: 1000 });
    for (const header of [
      undefined,
      "",
      "bytes",
      "bytes 1-2",
      "bytes -1-2/3",
      "bytes 1e3-2/3",
      "items 1-2/3",
    ]) {
      expect(readContentRange(header)).toBeUndefined();
    }
  });

  it("say how long to wait: seconds or a date", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(readRetryAfter("120", now)).toBe(120_000);
    expect(readRetryAfter("Thu, 01 Jan 2026 00:01:00 GMT", now)).toBe(60_000);
    expect(readRetryAfter("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
    for (const header of [undefined, "", "soon", "-1 week"])
      expect(readRetryAfter(header, now)).toBeUndefined();
  });

  it("redirect anywhere on the web, but never from a secure connection to one that is not", () => {
    const to = (from: string, location: string) => redirectTarget(new URL(from), location);
    expect(to("https://a/b/c", "../d?e")).toEqual(new URL("https://a/d?e"));
    expect(to("https://a/b", "//other/x")).toEqual(new URL("https://other/x"));
    expect(to("http://a/b", "https://other/x")).toEqual(new URL("https://other/x"));
    expect(to("http://a/b", "http://other/x")).toEqual(new URL("http://other/x"));
    expect(to("https://a/b", "http://a/b")).toMatchObject({
      kind: "failed",
      reason: expect.stringMatching(/secure/),
    });
    expect(to("https://a/b", "data:text/plain,x")).toMatchObject({ kind: "failed" });
  });
});

describe("progress", () => {
  it("measures the last seconds, and says how long the rest will take", () => {
    const told: DownloadProgress[] = [];
    let now = 0;
    const reporter = createReporter(
      (progress) => told.push(progress),
      () => now,
    );
    reporter.begin(5000, 25_000, "a");
    for (now = 100; now <= 10_000; now += 100) reporter.advance(5000 + now / (now < 5000 ? 1 : 0.5));
    expect(told.length).toBeLessThan(60);
    expect(told.at(-1)).toEqual({
      received: 25_000,
      total: 25_000,
      bytesPerSecond: expect.closeTo(2000, -3),
      remainingMs: 0,
      source: "a",
    });
    reporter.begin(0, undefined, "b");
    expect(told.at(-1)).toMatchObject({ bytesPerSecond: 0, remainingMs: undefined, source: "b" });
  });
});
