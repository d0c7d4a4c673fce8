// Model files as their user handles them: listed, fetched from a server that misbehaves, taken in from a file, carried to
// another computer, used, removed.
import { once } from "node:events";
import { appendFile, copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { hashFile } from "../app/kernel/index.ts";
import { run, start } from "./cli.ts";

const EMBEDDED = fileURLToPath(new URL("../models/embedded/autochrome-small.onnx", import.meta.url));
const ORANGE = fileURLToPath(new URL("../app/colorize/testdata/orange.onnx", import.meta.url));
const RGB = fileURLToPath(new URL("../app/colorize/testdata/rgb.onnx", import.meta.url));

let root: string;
let environment: Record<string, string>;
/** The embedded network as a file that nobody knows: another entry of metadata at its end. */
let foreign: string;
let bytes: Buffer;
const servers: Server[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-models-e2e-"));
  environment = {
    AUTOCHROME_MODELS: join(root, "models"),
    AUTOCHROME_CONFIG: join(root, "config.json"),
  };
  foreign = join(root, "My Network.onnx");
  await copyFile(EMBEDDED, foreign);
  await appendFile(foreign, Buffer.from([0x72, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01, 0x62]));
  bytes = await readFile(foreign);
  await sharp({ create: { width: 64, height: 48, channels: 3, background: "#808080" } })
    .png()
    .toFile(join(root, "grey.png"));
});
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
afterAll(() => rm(root, { recursive: true }));

/** A mirror of models. @returns its address */
async function mirror(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/models`;
}

const models = (...args: string[]) => run(["models", ...args], environment);

describe("models", () => {
  it("are listed: what is here, what can be fetched, how large, under which licence", async () => {
    const { code, lines, summary } = await models("list");
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({ id: "autochrome-small", installed: true, default: true });
    expect(lines).toContainEqual(
      expect.objectContaining({
        id: "ddcolor-modelscope",
        installed: false,
        size: 911_801_965,
        licence: "Apache-2.0",
        sha256: "cda896f3e61c0e489f2e11a657c6dfb711d0958364286335e3cd48fadbd621be",
      }),
    );
    expect(summary).toMatchObject({ models: 1 });
  });

  it("are fetched from a server that cuts off, and verified by what it says of them", async () => {
    const sha256 = await hashFile(foreign);
    const asked: string[] = [];
    const address = await mirror((request, response) => {
      asked.push(`${request.url} ${request.headers.range ?? "all"}`);
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const headers = { "x-linked-etag": `"${sha256}"`, ETag: `"${sha256}"` };
      if (from > 0) {
        response.writeHead(206, {
          ...headers,
          "Content-Length": bytes.length - from,
          "Content-Range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
        });
        response.end(bytes.subarray(from));
        return;
      }
      response.writeHead(200, { ...headers, "Content-Length": bytes.length });
      response.write(bytes.subarray(0, bytes.length / 2), () => setTimeout(() => response.destroy(), 100));
    });
    const { code, lines, stderr } = await run(["models", "pull", "ddcolor-facefusion"], {
      ...environment,
      AUTOCHROME_MODEL_MIRRORS: address,
    });
    expect(stderr).not.toMatch(/went wrong/);
    expect(code).toBe(0);
    expect(asked.some((line) => /^\/models\/ddcolor\.onnx bytes=\d+-$/.test(line))).toBe(true);
    expect(lines.at(-2)).toMatchObject({ id: "ddcolor-facefusion", sha256, size: bytes.length });
    expect(await hashFile(join(root, "models", "ddcolor-facefusion.onnx"))).toBe(sha256);
    expect(await readdir(join(root, "models", "downloads"))).toEqual([]);
  });

  it("are refused when they are not what the manifest says, and nothing stays", async () => {
    const address = await mirror((_, response) => response.end(bytes));
    // Nothing else can be reached here: the published sources are behind a proxy that is not there.
    const { code, lines } = await run(["models", "pull", "ddcolor-tiny-256-int8"], {
      ...environment,
      AUTOCHROME_MODEL_MIRRORS: address,
      HTTPS_PROXY: "http://127.0.0.1:1",
    });
    expect(code).toBe(2);
    expect(lines.at(-1)).toMatchObject({
      error: { code: expect.stringMatching(/model-damaged|download-failed/) },
    });
    expect(await readdir(join(root, "models"))).not.toContain("ddcolor-tiny-256-int8.onnx");
    expect(
      (await readdir(join(root, "models", "downloads"))).filter((name) => name.endsWith(".onnx")),
    ).toEqual([]);
  }, 120_000);

  it("are taken in from a file that nobody knows, when they colour", async () => {
    const { code, lines } = await models("import", foreign);
    expect(code).toBe(0);
    expect(lines[0]).toMatchObject({ id: "my-network", architecture: "unknown", size: bytes.length });
    const used = await run(
      [
        "colorize",
        join(root, "grey.png"),
        "--out",
        join(root, "out"),
        "--model",
        "my-network",
        "--model-size",
        "64",
      ],
      environment,
    );
    expect(used.summary).toMatchObject({ done: 1, model: "my-network" });
  });

  it("explain themselves when they do not fit", async () => {
    const wrong = await models("import", RGB);
    expect(wrong.code).toBe(2);
    expect(wrong.lines[0]).toMatchObject({
      error: { code: "model-unfit", message: expect.stringMatching(/3 channels, not 2/) },
    });
    const text = join(root, "notes.onnx");
    await writeFile(text, "these are notes");
    expect((await models("import", text)).lines[0]).toMatchObject({
      error: { code: "model-damaged", message: expect.stringMatching(/no ONNX model/) },
    });
    const checkpoint = join(root, "ddcolor.pth");
    await writeFile(checkpoint, "weights");
    expect((await models("import", checkpoint)).lines[0]).toMatchObject({
      error: { code: "usage", next: expect.stringMatching(/models\/export/) },
    });
    expect((await models("import", join(root, "none.onnx"))).lines[0]).toMatchObject({
      error: { code: "not-found" },
    });
  });

  it("are never confused: an id that is taken stays what it is", async () => {
    const { code, lines } = await models("import", ORANGE, "--id", "my-network");
    expect(code).toBe(2);
    expect(lines[0]).toMatchObject({ error: { code: "usage", next: expect.stringMatching(/--id/) } });
    expect((await models("import", ORANGE, "--id", "orange")).code).toBe(0);
  });

  it("are carried to another computer in a pack", async () => {
    const pack = join(root, "office.autochrome-models");
    expect((await models("pack", pack, "my-network", "orange")).summary).toMatchObject({
      models: ["my-network", "orange"],
    });
    const there = { ...environment, AUTOCHROME_MODELS: join(root, "there") };
    const taken = await run(["models", "import", pack], there);
    expect(taken.code).toBe(0);
    expect(taken.lines.slice(0, 2).map(({ id }) => id)).toEqual(["my-network", "orange"]);
    const verified = await run(["models", "verify"], there);
    expect(verified.summary).toEqual({ intact: 3, failed: 0 });
    const damaged = await readFile(pack);
    damaged[damaged.length >> 1]! ^= 1;
    await writeFile(pack, damaged);
    const refused = await run(["models", "import", pack], {
      ...environment,
      AUTOCHROME_MODELS: join(root, "else"),
    });
    expect(refused.code).toBe(2);
  });

  it("become the one in use, and are removed", async () => {
    expect((await models("default", "orange")).code).toBe(0);
    const used = await run(["colorize", join(root, "grey.png"), "--out", join(root, "orange")], environment);
    expect(used.summary).toMatchObject({ done: 1, model: "orange" });
    const { data } = await sharp(join(root, "orange", "grey.png"))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(data[0]! - data[2]!).toBeGreaterThan(50);
    expect((await models("remove", "orange")).code).toBe(0);
    expect((await models("list")).lines[0]).toMatchObject({ id: "autochrome-small", default: true });
    expect((await models("remove", "orange")).lines[0]).toMatchObject({ error: { code: "model-missing" } });
    expect((await models("default", "nonesuch")).code).toBe(2);
  });

  it("stop when they are told to, and go on later", async () => {
    let slow = true;
    const sha256 = await hashFile(foreign);
    const address = await mirror((request, response) => {
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, {
        "x-linked-etag": `"${sha256}"`,
        ETag: `"${sha256}"`,
        "Content-Length": bytes.length - from,
        ...(from > 0 ? { "Content-Range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
      });
      if (!slow) {
        response.end(bytes.subarray(from));
        return;
      }
      // Three megabytes at once, then byte by byte: it never stands still.
      let sent = 3_000_000;
      response.write(bytes.subarray(0, sent));
      const drip = setInterval(() => response.write(bytes.subarray(sent, ++sent)), 20);
      response.on("close", () => clearInterval(drip));
    });
    const settings = {
      ...environment,
      AUTOCHROME_MODELS: join(root, "slow"),
      AUTOCHROME_MODEL_MIRRORS: address,
    };
    const pulling = start(["models", "pull", "ddcolor-facefusion"], settings);
    await pulling.lineWith(({ received }) => Number(received) >= 3_000_000);
    pulling.interrupt();
    expect((await pulling.ended).code).toBe(130);
    slow = false;
    const { code, lines } = await run(["models", "pull", "ddcolor-facefusion"], settings);
    expect(code).toBe(0);
    expect(Number(lines[0]?.received)).toBeGreaterThanOrEqual(3_000_000);
  });
});
