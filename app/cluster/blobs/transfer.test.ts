// What only a store shows that does what real ones do not do on demand: the rest is in the conformance suite.
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { AutochromeError } from "../../kernel/index.ts";
import { batchKey, doneKey, inputKey } from "./keys.ts";
import { createBlobStore } from "./transfer.ts";
import { networkTrouble, statusTrouble } from "./trouble.ts";
import type { Wire } from "./wire.ts";

const PATIENCE = { retries: 8, backoffMs: 1, longestWaitMs: 10, stallMs: 1000 };

/** A store that can do one thing. */
function wireThat(part: Partial<Wire>): Wire {
  const cannot = async (): Promise<never> => {
    throw new Error("not asked for in this test");
  };
  return {
    place: "store",
    ...{ head: cannot, read: cannot, write: cannot, page: cannot, remove: cannot, grant: cannot },
    judge: (error) => networkTrouble(error, "store"),
    close: async () => undefined,
    ...part,
  };
}

it("what comes out the same again and again is what lies there: it is not asked for without end", async () => {
  const wrong = Buffer.from("something else");
  let asked = 0;
  const store = createBlobStore(
    wireThat({
      async read() {
        asked++;
        const body = (async function* () {
          yield wrong;
        })();
        return { first: 0, size: wrong.length, tag: undefined, body, discard: () => undefined };
      },
    }),
    PATIENCE,
  );
  const folder = await mkdtemp(join(tmpdir(), "autochrome-transfer-"));
  try {
    const key = inputKey(createHash("sha256").update("the photo").digest("hex"));
    const error = await store
      .getFile(key, join(folder, "photo"), { overwrite: false })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AutochromeError);
    expect(error).toMatchObject({ code: "storage-damaged" });
    expect(asked).toBe(3);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("what is shorter than it was, or than was said, is read from its beginning", async () => {
  const content = Buffer.from("all of it");
  const offsets: number[] = [];
  const store = createBlobStore(
    wireThat({
      async read(_, offset) {
        offsets.push(offset);
        if (offset > 0) throw statusTrouble(416, { place: "store", doing: "read" });
        const size = content.length + (offsets.length === 1 ? 10 : 0);
        const body = (async function* () {
          yield content;
        })();
        return { first: 0, size, tag: undefined, body, discard: () => undefined };
      },
    }),
    PATIENCE,
  );
  const folder = await mkdtemp(join(tmpdir(), "autochrome-transfer-"));
  try {
    const sha256 = createHash("sha256").update(content).digest("hex");
    await store.getFile(inputKey(sha256), join(folder, "photo"), { overwrite: false });
    expect(offsets).toEqual([0, content.length, 0]);
    expect(await readFile(join(folder, "photo"))).toEqual(content);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("what somebody else put there is not listed", async () => {
  const modified = new Date(0).toISOString();
  const ours = [batchKey("b", "1-0"), doneKey("b", 0, 0)];
  const keys = [...ours, "batch/b/Read me.txt", "done/b/notes", "batch/"].sort();
  const store = createBlobStore(
    wireThat({
      page: async (prefix, after) => ({
        entries: keys
          .filter((key) => key.startsWith(prefix) && key > after)
          .map((key) => ({ key, size: 1, modified })),
        more: false,
      }),
    }),
    PATIENCE,
  );
  const listed: string[] = [];
  for (const kind of ["batch/", "done/"]) for await (const { key } of store.list(kind)) listed.push(key);
  expect(listed).toEqual(ours);
});
