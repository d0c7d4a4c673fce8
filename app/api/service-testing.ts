// What the tests of the service share: a real server on a free port, over folders of its own and a queue whose prompts
// wait until the test ends. Must never: be imported by anything but tests.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import sharp from "sharp";
import {
  createPromptQueue,
  createSurroundings,
  type PromptQueue,
  type PromptQueueOptions,
} from "../batches/index.ts";
import { openLibrary } from "../catalogue/index.ts";
import { silentLogger } from "../kernel/index.ts";
import type { ApiGraph } from "../workflow/index.ts";
import {
  createGate,
  createService,
  type Folders,
  openFolders,
  type SecuritySettings,
  type Service,
  type ServiceOptions,
} from "./index.ts";

export interface Running {
  readonly url: string;
  readonly port: number;
  readonly folders: Folders;
  readonly queue: PromptQueue;
  readonly service: Service;
  /** Paths of all files below the data folder, users' settings left out. */
  files(): Promise<string[]>;
  close(): Promise<void>;
}

const KEEP = { maxDays: 0, maxBytes: 0 };

/** @param change what differs from a service on loopback without a key */
export async function startService(
  change: Partial<ServiceOptions> & {
    readonly security?: Partial<SecuritySettings>;
  } = {},
): Promise<Running> {
  const data = await mkdtemp(join(tmpdir(), "autochrome-service-"));
  const folders = await openFolders(data);
  const library = await openLibrary(":memory:");
  const log = silentLogger();
  const host = "127.0.0.1";
  const surroundings = createSurroundings({
    threads: 1,
    inferenceThreads: 1,
    limits: { maxMegapixels: 600 },
    imageModels: join(data, "models"),
    models: join(data, "colouring-models"),
    log,
  });
  const world = { ...surroundings, files: folders };
  const queue = createPromptQueue({
    library,
    log,
    world,
    cache: { clear: async () => undefined } as PromptQueueOptions["cache"],
    validate: (graph) => ({ ok: true, graph: graph as ApiGraph, outputs: ["1"], nodeErrors: {} }),
    run: ({ signal }) =>
      new Promise((resolve) => {
        const stop = () => resolve({ status: "interrupted", outputs: {}, executed: [] });
        signal.addEventListener("abort", stop);
      }),
  });
  const service = await createService({
    world,
    folders,
    queue,
    uploadMaxBytes: 10_000_000,
    blobMaxBytes: 0,
    retention: { input: KEEP, output: KEEP, temp: KEEP },
    log,
    logs: { entries: () => [{ t: "2026-01-01T00:00:00.000Z", m: "a line\n" }] },
    host,
    gate: createGate({ host, allowedHosts: [], cors: [], rateLimit: 100_000, ...change.security }),
    ...change,
  });
  const url = await service.listen(0);
  return {
    url,
    port: Number(new URL(url).port),
    folders,
    queue,
    service,
    async files() {
      const entries = await readdir(data, { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => relative(data, join(entry.parentPath, entry.name)))
        .filter((path) => path !== "blob-grants.key")
        .sort();
    },
    async close() {
      await service.close();
      await queue.close();
      await surroundings.close();
      library.close();
      await rm(data, { recursive: true });
    },
  };
}

/** A request that fetch would not send: any Host, any path as it is written. */
export function raw(
  port: number,
  options: {
    readonly method?: string;
    readonly path: string;
    readonly headers?: Record<string, string>;
    readonly body?: string | Buffer;
  },
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const { method = "GET", path, headers = {}, body } = options;
    const sent = request({ host: "127.0.0.1", port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

export function makePng(width = 8, height = 6, background = "#808080"): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

/** A form with a picture and words. */
export function formOf(
  content: Uint8Array,
  name: string,
  fields: Readonly<Record<string, string>> = {},
): FormData {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.set(key, value);
  form.set("image", new File([new Uint8Array(content)], name));
  return form;
}

/** A form as bytes, with a file name that FormData would change. */
export function rawForm(name: string, content: Buffer, fields: Readonly<Record<string, string>> = {}) {
  const boundary = "----test";
  const words = Object.entries(fields).map(
    ([key, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n${value}\r\n`,
  );
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="${name}"\r\nContent-Type: image/png\r\n\r\n`;
  const body = Buffer.concat([
    Buffer.from(words.join("") + head),
    content,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  return {
    body,
    headers: {
      "Content-Type": `multipart/form-data; boundary=${boundary}`,
      "Content-Length": String(body.length),
    },
  };
}
