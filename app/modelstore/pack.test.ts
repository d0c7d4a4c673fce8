import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { packTar, type TarEntry } from "modern-tar";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isPack, type ModelFile, type PackedModel, type PackOptions, readPack, writePack } from "./pack.ts";
import { bytesOf, sha256 } from "./testing.ts";

const run = promisify(execFile);

const CONTENTS: Readonly<Record<string, Buffer>> = {
  one: bytesOf(100_000, 1),
  two: bytesOf(512, 2),
  three: bytesOf(1, 3),
};

let folder: string;
/** Where packs are unpacked to. */
let inbox: string;
let pack: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-pack-"));
  inbox = join(folder, "inbox");
  await mkdir(inbox);
  pack = join(folder, "mine.autochrome-models");
});
afterEach(() => rm(folder, { recursive: true }));

function recordOf(id: string, content: Uint8Array): PackedModel {
  return {
    id,
    title: `Model “${id}” 模型`,
    publisher: "me",
    licence: "Apache-2.0",
    architecture: "unknown",
    precision: "fp32",
    input: { multiple: 32, standard: 512 },
    goodFor: { en: "tests", zh: "测试" },
    size: content.length,
    sha256: sha256(content),
    origin: "https://example.invalid/model.onnx",
  };
}

async function modelFiles(): Promise<ModelFile[]> {
  return Promise.all(
    Object.entries(CONTENTS).map(async ([id, content]) => {
      const path = join(folder, `${id}.onnx`);
      await writeFile(path, content);
      return { path, record: recordOf(id, content) };
    }),
  );
}

/** Everything that a pack gives out; what it gives must be right, and must be gone afterwards. */
async function unpack(path = pack, options: PackOptions = {}): Promise<PackedModel[]> {
  const records: PackedModel[] = [];
  try {
    for await (const model of readPack(path, inbox, options)) {
      const content = await readFile(model.path);
      expect(sha256(content)).toBe(model.record.sha256);
      expect(await readdir(inbox)).toHaveLength(1);
      records.push(model.record);
    }
  } finally {
    expect(await readdir(inbox)).toEqual([]);
  }
  return records;
}

/** A pack made by hand, with a true list of the entries unless another is given. */
async function writeByHand(
  entries: readonly TarEntry[],
  change: (contents: Record<string, unknown>) => unknown = (contents) => contents,
): Promise<void> {
  const models = Object.entries(CONTENTS).map(([id, content]) => ({
    file: `${id}.onnx`,
    model: recordOf(id, content),
  }));
  const contents = {
    format: "autochrome-models",
    version: 1,
    madeBy: "a test",
    sha256: sha256(Buffer.from(JSON.stringify(models))),
    models,
  };
  const text = Buffer.from(JSON.stringify(change(contents)));
  await writeFile(
    pack,
    await packTar([{ header: { name: "pack.json", size: text.length }, body: text }, ...entries]),
  );
}

const entry = (name: string, content: Uint8Array): TarEntry => ({
  header: { name, size: content.length },
  body: content,
});
const honest = Object.entries(CONTENTS).map(([id, content]) => entry(`${id}.onnx`, content));

describe("a pack", () => {
  it("brings the models over, with all that is known of them", async () => {
    const models = await modelFiles();
    await writePack(pack, models);
    expect(await isPack(pack)).toBe(true);
    const before = await readFile(pack);
    expect(await unpack()).toEqual(models.map(({ record }) => record));
    expect(await readFile(pack)).toEqual(before);
  });

  it("tells how far it is", async () => {
    const models = await modelFiles();
    const total = models.reduce((sum, { record }) => sum + record.size, 0);
    for (const work of [
      (options: PackOptions) => writePack(pack, models, options),
      (options: PackOptions) => unpack(pack, options),
    ]) {
      const told: number[] = [];
      await work({
        onProgress: (progress) => {
          expect(progress.total).toBe(total);
          told.push(progress.done);
        },
      });
      expect(told.at(-1)).toBe(total);
    }
  });

  it("leaves a file to the one who moved it away, and nothing when the reader stops", async () => {
    await writePack(pack, await modelFiles());
    for await (const model of readPack(pack, inbox)) {
      await rename(model.path, join(folder, "kept.onnx"));
      break;
    }
    expect(await readdir(inbox)).toEqual([]);
    expect(sha256(await readFile(join(folder, "kept.onnx")))).toBe(sha256(CONTENTS.one!));
    for await (const model of readPack(pack, inbox)) {
      expect(await readdir(inbox)).toHaveLength(1);
      expect(model.record.id).toBe("one");
      break;
    }
    expect(await readdir(inbox)).toEqual([]);
  });

  it.skipIf(process.platform === "win32")("is an ordinary tar, and one that tar made is a pack", async () => {
    await writePack(pack, await modelFiles());
    const { stdout } = await run("tar", ["-tf", pack]);
    expect(stdout.trim().split("\n")).toEqual(["pack.json", "one.onnx", "two.onnx", "three.onnx"]);
    await run("tar", ["-xf", pack, "-C", inbox]);
    expect(await readFile(join(inbox, "one.onnx"))).toEqual(CONTENTS.one);
    const again = join(folder, "again.autochrome-models");
    await run("tar", ["-cf", again, "-C", inbox, "pack.json", "three.onnx", "two.onnx", "one.onnx"]);
    await rm(inbox, { recursive: true });
    await mkdir(inbox);
    expect(await isPack(again)).toBe(true);
    expect((await unpack(again)).map(({ id }) => id)).toEqual(["three", "two", "one"]);
  });
});

describe("writing a pack", () => {
  const left = async () => (await readdir(folder)).filter((name) => !name.endsWith(".onnx")).sort();

  it.each([
    ["changed", (content: Buffer) => Buffer.concat([content.subarray(1), Buffer.alloc(1)])],
    ["shorter", (content: Buffer) => content.subarray(1)],
    ["longer", (content: Buffer) => Buffer.concat([content, Buffer.alloc(1_000_000)])],
    ["empty", () => Buffer.alloc(0)],
  ])("refuses a model whose file is %s, and leaves nothing", async (_, change) => {
    const models = await modelFiles();
    await writeFile(join(folder, "two.onnx"), change(CONTENTS.two!));
    await expect(writePack(pack, models)).rejects.toMatchObject({
      code: "model-damaged",
      message: expect.stringContaining("two"),
    });
    expect(await left()).toEqual(["inbox"]);
  });

  it("refuses a model whose file is gone", async () => {
    const models = await modelFiles();
    await rm(join(folder, "two.onnx"));
    await expect(writePack(pack, models)).rejects.toMatchObject({ code: "model-missing" });
    expect(await left()).toEqual(["inbox"]);
  });

  it("refuses nothing at all, and a model twice", async () => {
    const models = await modelFiles();
    await expect(writePack(pack, [])).rejects.toMatchObject({ code: "usage" });
    await expect(writePack(pack, [...models, ...models])).rejects.toMatchObject({ code: "usage" });
    expect(await left()).toEqual(["inbox"]);
  });

  it("replaces a file only when told to", async () => {
    const models = await modelFiles();
    await writeFile(pack, "mine");
    await expect(writePack(pack, models)).rejects.toMatchObject({ code: "output-exists" });
    expect(await readFile(pack, "utf8")).toBe("mine");
    await writePack(pack, models, { overwrite: true });
    expect(await unpack()).toHaveLength(3);
  });

  it("stops when it is told to, and leaves nothing", async () => {
    const models = await modelFiles();
    const stop = new AbortController();
    const stopped = writePack(pack, models, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    await expect(writePack(pack, models, { signal: stop.signal })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(await left()).toEqual(["inbox"]);
  });

  it("says when it would not fit, or cannot be written", async () => {
    const [model] = await modelFiles();
    const huge = { ...model!, record: { ...model!.record, size: 2 ** 51 } };
    await expect(writePack(pack, [huge])).rejects.toMatchObject({ code: "disk-full" });
    await expect(writePack(join(folder, "none", "x"), [model!])).rejects.toMatchObject({
      code: "output-unwritable",
    });
    expect(await left()).toEqual(["inbox"]);
  });
});

describe("reading a pack", () => {
  it("knows what is none", async () => {
    for (const content of [Buffer.alloc(0), Buffer.from("hello"), CONTENTS.one!, Buffer.alloc(10_240)]) {
      await writeFile(pack, content);
      expect(await isPack(pack)).toBe(false);
      await expect(unpack()).rejects.toMatchObject({ code: "pack-invalid" });
    }
    await writePack(join(folder, "true"), await modelFiles());
    await writeFile(pack, gzipSync(await readFile(join(folder, "true"))));
    expect(await isPack(pack)).toBe(false);
    await expect(unpack()).rejects.toMatchObject({ code: "pack-invalid" });
    await expect(isPack(join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(unpack(join(folder, "none"))).rejects.toMatchObject({ code: "not-found" });
    await expect(unpack(folder)).rejects.toMatchObject({ code: "unreadable-file" });
  });

  it("takes one that was made by hand", async () => {
    await writeByHand(honest);
    expect(await unpack()).toHaveLength(3);
  });

  it.each<[string, TarEntry]>([
    ["a path upwards", entry("../one.onnx", CONTENTS.one!)],
    ["an absolute path", entry("/tmp/one.onnx", CONTENTS.one!)],
    ["a path downwards", entry("folder/one.onnx", CONTENTS.one!)],
    ["a file that is not named", entry("four.onnx", CONTENTS.one!)],
    ["a second list", entry("pack.json", CONTENTS.one!)],
    ["a link", { header: { name: "one.onnx", size: 0, type: "symlink", linkname: "/etc/passwd" } }],
    ["a hard link", { header: { name: "one.onnx", size: 0, type: "link", linkname: "two.onnx" } }],
    ["a folder", { header: { name: "one.onnx/", size: 0, type: "directory" } }],
    ["a device", { header: { name: "one.onnx", size: 0, type: "character-device" } }],
    ["a pipe", { header: { name: "one.onnx", size: 0, type: "fifo" } }],
    ["more than it says", entry("one.onnx", bytesOf(200_000, 1))],
    ["less than it says", entry("one.onnx", bytesOf(99_999, 1))],
  ])("refuses %s", async (_, hostile) => {
    await writeByHand([hostile, ...honest]);
    await expect(unpack()).rejects.toMatchObject({ code: "pack-invalid" });
    expect((await readdir(folder)).sort()).toEqual(["inbox", "mine.autochrome-models"]);
  });

  it("refuses a model twice", async () => {
    await writeByHand([...honest, honest[0]!]);
    await expect(unpack()).rejects.toMatchObject({ code: "pack-invalid" });
  });

  it("refuses other bytes than it says", async () => {
    await writeByHand([entry("one.onnx", bytesOf(100_000, 9)), ...honest.slice(1)]);
    await expect(unpack()).rejects.toMatchObject({ code: "model-damaged" });
  });

  it("misses a model that is named and not there", async () => {
    await writeByHand(honest.slice(1));
    await expect(unpack()).rejects.toMatchObject({ code: "model-damaged" });
  });

  it.each<[string, (contents: Record<string, unknown>) => unknown, string]>([
    ["of another version", (contents) => ({ ...contents, version: 2, models: "other" }), "pack-invalid"],
    ["of another program", (contents) => ({ ...contents, format: "other" }), "pack-invalid"],
    ["of nothing", (contents) => ({ ...contents, models: [] }), "pack-invalid"],
    ["with more than it should have", (contents) => ({ ...contents, more: 1 }), "pack-invalid"],
    ["that is too long", (contents) => ({ ...contents, madeBy: "x".repeat(2_000_000) }), "pack-invalid"],
    ["that is no list", () => "pack", "pack-invalid"],
    ["that was changed", (contents) => ({ ...contents, sha256: sha256(Buffer.alloc(0)) }), "model-damaged"],
    [
      "with a model twice",
      (contents) => signed([...modelsIn(contents), modelsIn(contents)[0]]),
      "pack-invalid",
    ],
    [
      "with an id that is a path",
      (contents) => signed(withFirst(contents, { id: "../one" })),
      "pack-invalid",
    ],
    [
      "with a digest that is none",
      (contents) => signed(withFirst(contents, { sha256: "0" })),
      "pack-invalid",
    ],
    ["with a size that cannot be", (contents) => signed(withFirst(contents, { size: -1 })), "pack-invalid"],
    [
      "with more than the disk holds",
      (contents) => signed(withFirst(contents, { size: 2 ** 51 })),
      "disk-full",
    ],
  ])("refuses a list %s", async (_, change, code) => {
    await writeByHand(honest, change);
    await expect(unpack()).rejects.toMatchObject({ code });
  });

  it("says who made what it does not know", async () => {
    await writeByHand(honest, (contents) => ({ ...contents, version: 7, madeBy: "Autochrome 9.9.9" }));
    await expect(unpack()).rejects.toThrow(/Autochrome 9\.9\.9/);
  });

  it("stops when it is told to, and leaves nothing", async () => {
    await writePack(pack, await modelFiles());
    const stop = new AbortController();
    const stopped = unpack(pack, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    await expect(unpack(pack, { signal: stop.signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  it("never gives out anything wrong, wherever a pack was damaged or cut off", async () => {
    const models = await modelFiles();
    await writePack(join(folder, "true"), models);
    const good = await readFile(join(folder, "true"));
    const originals = new Map(models.map(({ record }) => [record.id, record]));
    // half of the damage near the beginning, where the list is
    const place = fc.oneof(fc.nat({ max: 4096 }), fc.nat({ max: good.length - 1 }));
    const flip = fc.tuple(place, fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { maxLength: 3 }), fc.option(place), async (flips, cut) => {
        const bytes = Buffer.from(good.subarray(0, cut ?? good.length));
        for (const [at, bits] of flips) if (at < bytes.length) bytes[at] = bytes[at]! ^ bits;
        await writeFile(pack, bytes);
        const given: PackedModel[] = [];
        let failure: unknown;
        try {
          for await (const { path, record } of readPack(pack, inbox)) {
            expect(record).toEqual(originals.get(record.id));
            expect(sha256(await readFile(path))).toBe(record.sha256);
            given.push(record);
          }
        } catch (error) {
          failure = error;
        }
        expect(await readdir(inbox)).toEqual([]);
        if (failure === undefined) expect(given).toHaveLength(models.length);
        else expect(failure).toMatchObject({ code: expect.stringMatching(/^(pack-invalid|model-damaged)$/) });
      }),
      { numRuns: 300 },
    );
  });
});

function modelsIn(contents: Record<string, unknown>): unknown[] {
  return Array.isArray(contents.models) ? contents.models : [];
}

/** The list with something else said of its first model. */
function withFirst(contents: Record<string, unknown>, change: object): unknown[] {
  const [, ...others] = modelsIn(contents);
  return [{ file: "one.onnx", model: { ...recordOf("one", CONTENTS.one!), ...change } }, ...others];
}

function signed(models: unknown[]): unknown {
  const digest = sha256(Buffer.from(JSON.stringify(models)));
  return { format: "autochrome-models", version: 1, madeBy: "a test", sha256: digest, models };
}
