// Runs the real service as another process, and speaks to it as ComfyUI's clients do. For the tests of this folder.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { WebSocket } from "ws";
import { type Running, start } from "../cli.ts";

export interface Serving {
  readonly child: ChildProcess;
  /** "127.0.0.1:12345" */
  readonly host: string;
  get(path: string): Promise<Response>;
  json<T>(path: string): Promise<T>;
  post(path: string, body: unknown): Promise<Response>;
  /** Queues a graph. @returns its id */
  queue(graph: object, more?: object): Promise<string>;
  upload(name: string, bytes: Buffer): Promise<void>;
  remaining(): Promise<number>;
  history(): Promise<Record<string, Entry>>;
  /** Waits for a prompt's entry in the history. */
  finished(id: string): Promise<Entry>;
  /** The first picture of an entry. */
  picture(entry: Entry): Promise<Buffer>;
  /** A number of /metrics. */
  metric(line: string): Promise<number>;
  /** Bytes of memory of the service's own process. */
  memory(): Promise<number>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface Entry {
  readonly outputs: Record<string, { readonly images?: readonly Record<string, string>[] }>;
  readonly status: {
    readonly status_str: string;
    readonly completed: boolean;
    readonly messages: readonly (readonly [string, Record<string, unknown>])[];
  };
}

/** Starts the service over a library folder; its own folder lies in that. */
export async function serve(library: string, flags: readonly string[] = []): Promise<Serving> {
  const running: Running = start(["serve", "--port", "0", "--library", library, ...flags], {
    AUTOCHROME_WORKERS: "2",
    AUTOCHROME_INFERENCE_THREADS: "1",
    AUTOCHROME_RATE_LIMIT: "1000000",
  });
  const { url } = await running.lineWith((line) => typeof line.url === "string");
  const host = new URL(String(url)).host;
  const get = (path: string) => fetch(`http://${host}${path}`);
  const post = (path: string, body: unknown) =>
    fetch(`http://${host}${path}`, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  const json = async <T>(path: string) => (await (await get(path)).json()) as T;
  const metric = async (line: string) => {
    const text = await (await get("/metrics")).text();
    const found = text.split("\n").find((row) => row.startsWith(`${line} `));
    return Number(found?.slice(line.length));
  };
  const end = async (signal: NodeJS.Signals) => {
    running.child.kill(signal);
    await running.ended;
  };
  return {
    child: running.child,
    host,
    get,
    json,
    post,
    async queue(graph, more = {}) {
      const response = await post("/prompt", { prompt: graph, ...more });
      if (response.status !== 200) throw new Error(await response.text());
      return ((await response.json()) as { prompt_id: string }).prompt_id;
    },
    async upload(name, bytes) {
      const form = new FormData();
      form.set("image", new Blob([new Uint8Array(bytes)]), name);
      form.set("overwrite", "true");
      const response = await fetch(`http://${host}/upload/image`, { method: "POST", body: form });
      if (response.status !== 200) throw new Error(await response.text());
    },
    async remaining() {
      const status = await json<{ exec_info: { queue_remaining: number } }>("/prompt");
      return status.exec_info.queue_remaining;
    },
    history: () => json("/history"),
    async finished(id) {
      for (;;) {
        const entry = (await json<Record<string, Entry>>(`/history/${id}`))[id];
        if (entry !== undefined) return entry;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async picture(entry) {
      const image = Object.values(entry.outputs).flatMap(({ images = [] }) => images)[0];
      const response = await get(`/view?${new URLSearchParams(image)}`);
      return Buffer.from(await response.arrayBuffer());
    },
    metric,
    memory: () => metric("process_resident_memory_bytes"),
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}

export interface Frame {
  readonly type: string;
  readonly data: Record<string, unknown>;
}

export interface Watching {
  readonly clientId: string;
  readonly frames: Frame[];
  readonly pictures: Buffer[];
  /** Resolves with the first frame that the test accepts, also one that has come already. */
  frame(accept: (frame: Frame) => boolean): Promise<Frame>;
  close(): void;
}

/** Connects as a client and keeps all that comes. */
export async function watch(host: string, clientId: string): Promise<Watching> {
  const socket = new WebSocket(`ws://${host}/ws?clientId=${clientId}`);
  const frames: Frame[] = [];
  const pictures: Buffer[] = [];
  const waiting = new Set<() => void>();
  socket.on("message", (data: Buffer, isBinary) => {
    if (isBinary) pictures.push(data);
    else frames.push(JSON.parse(data.toString()) as Frame);
    for (const look of waiting) look();
  });
  socket.on("error", () => undefined); // the service may be killed
  await once(socket, "open");
  return {
    clientId,
    frames,
    pictures,
    frame: (accept) =>
      new Promise((resolve) => {
        const look = () => {
          const found = frames.find(accept);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    close: () => socket.terminate(),
  };
}

/** A small graph: load, colour, save. */
export function colouring(image: string, how: { readonly size?: number; readonly factor?: number } = {}) {
  const { size = 64, factor = 1 } = how;
  return {
    1: { class_type: "LoadImage", inputs: { image } },
    2: {
      class_type: "DDColor-ddcolorize",
      inputs: { image: ["1", 0], model: "autochrome-small", model_size: size, color_factor: factor },
    },
    3: { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: "result" } },
  };
}
