import { describe, expect, it } from "vitest";
import { AutochromeError } from "../../kernel/index.ts";
import { s3Trouble } from "./s3-trouble.ts";
import {
  networkTrouble,
  type Patience,
  persist,
  readRetryAfter,
  StoreTrouble,
  statusTrouble,
  waitBefore,
} from "./trouble.ts";

const PATIENCE: Patience = { retries: 3, backoffMs: 1, longestWaitMs: 5, stallMs: 1000 };
const failure = new AutochromeError("storage-failed", "It failed.", "Try again.");
const later = (waitMs = 0) => new StoreTrouble(failure, "later", waitMs);

function attempts(patience: Patience, fail: (count: number) => unknown, progress?: () => number) {
  let count = 0;
  const work = persist(
    async () => {
      count++;
      const error = fail(count);
      if (error !== undefined) throw error;
      return count;
    },
    (error) => networkTrouble(error, "store"),
    { patience, signal: undefined, ...(progress === undefined ? {} : { progress }) },
  );
  return { work, count: () => count };
}

describe("trying again", () => {
  it("ends with the first success, or after as many failures as are borne", async () => {
    expect(await attempts(PATIENCE, (count) => (count < 4 ? later() : undefined)).work).toBe(4);
    const hopeless = attempts(PATIENCE, () => later());
    await expect(hopeless.work).rejects.toBe(failure);
    expect(hopeless.count()).toBe(4);
    const never = attempts(PATIENCE, () => new StoreTrouble(failure, "never"));
    await expect(never.work).rejects.toBe(failure);
    expect(never.count()).toBe(1);
  });

  it("begins to count anew when an attempt got further", async () => {
    let bytes = 0;
    const slow = attempts(
      PATIENCE,
      (count) => {
        if (count <= 20) bytes += 100_000;
        return later();
      },
      () => bytes,
    );
    await expect(slow.work).rejects.toBe(failure);
    expect(slow.count()).toBe(20 + PATIENCE.retries);
    let crumbs = 0;
    const crumbling = attempts(
      PATIENCE,
      () => later(),
      () => crumbs++,
    );
    await expect(crumbling.work).rejects.toBe(failure);
    expect(crumbling.count()).toBe(4);
  });

  it("waits longer each time, as long as it was told, and never too long", () => {
    const patience = { ...PATIENCE, backoffMs: 1000, longestWaitMs: 30_000 };
    const waits = [1, 2, 3, 4, 10].map((failures) => waitBefore(failures, later(), patience));
    for (const [index, most] of [1000, 2000, 4000, 8000, 30_000].entries()) {
      expect(waits[index]).toBeLessThanOrEqual(most);
      expect(waits[index]).toBeGreaterThanOrEqual(most / 2);
    }
    expect(waitBefore(1, later(12_000), patience)).toBe(12_000);
    expect(waitBefore(1, later(3_600_000), patience)).toBe(30_000);
    expect(waitBefore(5, new StoreTrouble(failure, "now"), patience)).toBe(0);
  });

  it("stops at once when it is told to", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const waiting = persist(
      async () => {
        setTimeout(() => stop.abort(reason), 10);
        throw later(60_000);
      },
      (error) => networkTrouble(error, "store"),
      { patience: { ...PATIENCE, longestWaitMs: 60_000 }, signal: stop.signal },
    );
    await expect(waiting).rejects.toBe(reason);
  });

  it("reads what a store asks for", () => {
    expect(readRetryAfter("7")).toBe(7000);
    expect(readRetryAfter(new Date(Date.now() + 60_000).toUTCString())).toBeGreaterThan(50_000);
    expect(readRetryAfter("Wed, 21 Oct 2015 07:28:00 GMT")).toBe(0);
    for (const nothing of [null, undefined, "", "soon"]) expect(readRetryAfter(nothing)).toBeUndefined();
    expect(statusTrouble(503, { place: "s", doing: "read", retryAfterMs: 7000 })).toMatchObject({
      waitMs: 7000,
      again: "later",
    });
  });
});

describe("what is wrong, in words", () => {
  const said = (status: number, code: string, message = "") => {
    const about = { place: "bucket photos", doing: "write" as const, retryAfterMs: undefined };
    const { error, again } = s3Trouble({ ...about, status, code, message });
    expect(error.next).toMatch(/\.$/);
    return [error.code, error.message, again];
  };

  it("for what S3 stores answer", () => {
    expect(said(404, "NoSuchBucket")).toEqual([
      "storage-denied",
      "There is no such thing as the bucket photos.",
      "never",
    ]);
    expect(said(403, "AccessDenied")[1]).toBe("The bucket photos does not permit us to write there.");
    expect(said(403, "AccessDenied", "Request has expired")[1]).toBe(
      "The permission to use the bucket photos has expired.",
    );
    expect(
      said(
        400,
        "AccessDenied",
        "The difference between the request time and the server's time exceeds it",
      )[1],
    ).toContain("clock of this computer is wrong");
    expect(said(403, "SignatureDoesNotMatch")[1]).toBe("The bucket photos does not know this key.");
    expect(said(403, "RequestTimeTooSkewed")[1]).toContain("clock of this computer is wrong");
    expect(said(400, "BadDigest")).toEqual(["storage-damaged", expect.any(String), "later"]);
    expect(said(416, "InvalidRange")).toEqual(["storage-damaged", expect.any(String), "later"]);
    expect(said(403, "QuotaExceeded")).toEqual(["storage-denied", "The bucket photos is full.", "never"]);
    expect(said(301, "PermanentRedirect")[1]).toBe("The bucket photos is in another region.");
    expect(said(503, "SlowDown")).toEqual([
      "storage-failed",
      "The bucket photos is not ready, or has too much to do just now.",
      "later",
    ]);
    expect(said(500, "InternalError")[2]).toBe("later");
    expect(said(400, "WhateverElse")[2]).toBe("never");
  });

  it("for what networks do", () => {
    const words = (code: string, name = "Error") => {
      const error = Object.assign(new Error("x"), { code, name });
      const { error: made, again } = networkTrouble(new TypeError("fetch failed", { cause: error }), "store");
      return [made.code, made.message, again];
    };
    expect(words("ECONNREFUSED")).toEqual([
      "storage-unreachable",
      "The store cannot be reached: it refuses the connection.",
      "later",
    ]);
    expect(words("ECONNRESET", "TimeoutError")[1]).toContain("the connection broke off");
    expect(words("DEPTH_ZERO_SELF_SIGNED_CERT")).toEqual([
      "storage-denied",
      "The certificate of the store is not trusted.",
      "never",
    ]);
    expect(networkTrouble(Object.assign(new Error("x"), { code: "ENOSPC" }), "store").error.code).toBe(
      "disk-full",
    );
    expect(networkTrouble(new Error("a bug"), "store")).toMatchObject({
      again: "never",
      error: { code: "internal" },
    });
  });
});
