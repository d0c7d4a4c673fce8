// What a ComfyUI server is asked for, ours or a stock one. Each function asks once.
//
// Owns: ComfyUI's routes and the forms of their answers, read as leniently as servers of several years differ.
// Must never: decide what to do about an answer, or read a photo that is not the one it was promised.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";
import { type ApiGraph, workflowError } from "../../workflow/index.ts";
import { changedWhileSent, knownCode, type Line, lineTrouble } from "./comfyui-http.ts";
import { ServerTrouble, UNREACHABLE } from "./comfyui-patience.ts";

/** Where our files lie among a server's uploads and results. */
export const FOLDER = "autochrome";

export interface ServerFacts {
  /** What runs the networks there, in words. */
  readonly device: string;
  /** Largest upload, in bytes, where it says so. */
  readonly maxUpload: number | undefined;
}

/** What a node class of the server takes: [type or choices, options] by input. */
export type Declared = ReadonlyMap<string, readonly unknown[]>;

export interface Picture {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: string;
}

/** How a prompt ended. */
export type Ending =
  /** Pictures by the node that saved them. */
  | { readonly kind: "done"; readonly pictures: ReadonlyMap<string, readonly Picture[]> }
  | { readonly kind: "failed"; readonly error: AutochromeError }
  | { readonly kind: "interrupted" };

export interface OpenPrompt {
  readonly id: string;
  readonly isRunning: boolean;
  /** The batch of ours that it belongs to. */
  readonly batch: string | undefined;
}

export interface Submission {
  readonly id: string;
  readonly graph: ApiGraph;
  /** The node whose picture is wanted. */
  readonly output: string;
  readonly batch: string;
  /** ISO time that our service writes into the result. */
  readonly createdAt: string;
  /** What our service keeps inside a PNG instead of the graph that it ran. A stock one would keep both. */
  readonly shownGraph: ApiGraph | undefined;
}

/** "known": a prompt of this id is there already; "photo-missing": what it loads is not there (any more). */
export type Submitted = "queued" | "known" | "photo-missing";

type Signal = AbortSignal | undefined;

export interface ComfyuiServer {
  readonly host: string;
  /** @throws AutochromeError "usage" where it is no ComfyUI */
  meet(signal: Signal): Promise<ServerFacts>;
  /** Undefined: it has no such class. */
  node(name: string, signal: Signal): Promise<Declared | undefined>;
  /** Whether a photo is among its uploads. */
  has(name: string, size: number, signal: Signal): Promise<boolean>;
  /** @throws AutochromeError "unreadable-file" where the file is not what was promised; nothing arrives then */
  upload(name: string, file: string, facts: { sha256: string; size: number }, signal: Signal): Promise<void>;
  submit(submission: Submission, signal: Signal): Promise<Submitted>;
  /** Undefined: not in its history. */
  ending(id: string, signal: Signal): Promise<Ending | undefined>;
  open(signal: Signal): Promise<readonly OpenPrompt[]>;
  /** Takes waiting prompts out of the queue. */
  remove(ids: readonly string[], signal: Signal): Promise<void>;
  interrupt(id: string, signal: Signal): Promise<void>;
  /** Drops a finished prompt from the history. */
  forget(id: string, signal: Signal): Promise<void>;
  /** Writes a result into a new file. @returns false where it is not there (any more) */
  download(picture: Picture, target: string, signal: Signal): Promise<boolean>;
  close(): Promise<void>;
}

const statsSchema = z.object({
  system: z.looseObject({}),
  devices: z.array(z.object({ name: z.string() })).catch([]),
});
const featuresSchema = z.object({ max_upload_size: z.number().positive() });
const inputs = z.record(z.string(), z.array(z.unknown()).catch([]));
const nodesSchema = z.record(
  z.string(),
  z.object({ input: z.object({ required: inputs.optional(), optional: inputs.optional() }) }),
);
const extraSchema = z.object({ autochrome: z.object({ batch: z.string() }) });
const itemSchema = z.tuple([z.unknown(), z.string(), z.unknown(), z.unknown()], z.unknown());
const queueSchema = z.object({ queue_running: z.array(itemSchema), queue_pending: z.array(itemSchema) });
const pictureSchema = z.object({ filename: z.string(), subfolder: z.string(), type: z.string() });
const historySchema = z.record(
  z.string(),
  z.object({
    outputs: z.record(
      z.string(),
      z.object({ images: z.array(pictureSchema).catch([]) }).catch({ images: [] }),
    ),
    status: z
      .object({
        status_str: z.string().catch("success"),
        messages: z.array(z.tuple([z.string(), z.unknown()], z.unknown())).catch([]),
      })
      .nullish(),
  }),
);
const failureSchema = z.object({
  exception_type: z.string().catch(""),
  exception_message: z.string().catch(""),
  node_type: z.string().catch(""),
});
const reasonSchema = z.object({
  type: z.string().catch(""),
  message: z.string().catch(""),
  details: z.string().catch(""),
  extra_info: z.record(z.string(), z.unknown()).catch({}),
});
const refusedSchema = z.object({
  error: reasonSchema,
  node_errors: z
    .record(
      z.string(),
      z.object({
        errors: z.array(reasonSchema),
        dependent_outputs: z.array(z.string()).catch([]),
        class_type: z.string(),
      }),
    )
    .catch({}),
});
const promptSchema = z.object({ prompt_id: z.string() });

export function connectComfyui(line: Line): ComfyuiServer {
  const { host } = line;
  const uploaded = (name: string) => ({ filename: name, subfolder: FOLDER, type: "input" });
  const post = async (path: string, json: unknown, signal: Signal) =>
    (await line.ask({ method: "POST", path, json }, signal)).body.dump();

  return {
    host,
    async meet(signal) {
      const answer = await line.ask({ method: "GET", path: "/system_stats", accept: [404] }, signal);
      const stats =
        answer.status === 404
          ? undefined
          : await answer.read(statsSchema).catch((thrown: unknown) => {
              if (thrown instanceof ServerTrouble && thrown.kind === "failing") return undefined;
              throw thrown;
            });
      if (stats === undefined) {
        throw new AutochromeError(
          "usage",
          `What answers at ${host} is neither ComfyUI nor \`autochrome serve\`.`,
          "Check the address and the port.",
        );
      }
      const features = await line.ask({ method: "GET", path: "/features", accept: [404, 405] }, signal);
      const maxUpload =
        features.status === 200
          ? (await features.read(featuresSchema).catch(() => undefined))?.max_upload_size
          : void (await features.body.dump());
      return { device: stats.devices[0]?.name ?? "ComfyUI", maxUpload };
    },
    async node(name, signal) {
      const path = `/object_info/${encodeURIComponent(name)}`;
      const answer = await line.ask({ method: "GET", path }, signal);
      const found = (await answer.read(nodesSchema))[name]?.input;
      if (found === undefined) return undefined;
      return new Map([...Object.entries(found.required ?? {}), ...Object.entries(found.optional ?? {})]);
    },
    async has(name, size, signal) {
      const path = viewPath(uploaded(name));
      const answer = await line.ask({ method: "HEAD", path, accept: [400, 404, 405, 501] }, signal);
      await answer.body.dump();
      return answer.status === 200 && Number(answer.header("content-length")) === size;
    },
    async upload(name, file, { sha256, size }, signal) {
      const boundary = `autochrome-${randomUUID()}`;
      const part = (field: string, more = "") =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${field}"${more}\r\n\r\n`;
      const fields = { subfolder: FOLDER, type: "input", overwrite: "true" };
      const words = Object.entries(fields).map(([field, value]) => `${part(field)}${value}\r\n`);
      const head = Buffer.from(
        `${words.join("")}${part("image", `; filename="${name}"\r\nContent-Type: application/octet-stream`)}`,
      );
      const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
      const body = Readable.from(formOf(head, file, sha256, tail));
      const headers = { "content-type": `multipart/form-data; boundary=${boundary}` };
      const stream = { body, size: head.length + size + tail.length };
      const answer = await line.ask({ method: "POST", path: "/upload/image", headers, stream }, signal);
      const taken = await answer.read(z.object({ name: z.string() }));
      if (taken.name === name) return;
      throw new AutochromeError(
        "workflow-invalid",
        `The server ${host} keeps uploads under other names than asked for.`,
        "It is not like ComfyUI in that; use another server.",
      );
    },
    async submit({ id, graph, output, batch, createdAt, shownGraph }, signal) {
      const json = {
        prompt: graph,
        prompt_id: id,
        partial_execution_targets: [output],
        extra_data: {
          autochrome: { batch, created_at: createdAt },
          ...(shownGraph === undefined ? {} : { extra_pnginfo: { prompt: shownGraph } }),
        },
      };
      const answer = await line.ask({ method: "POST", path: "/prompt", json, accept: [400, 429] }, signal);
      if (answer.status === 200) {
        await answer.read(promptSchema);
        return "queued";
      }
      const { error, node_errors: nodeErrors } = await answer.read(refusedSchema.catch(NO_REASON));
      if (answer.status === 429) {
        const isFull = error.type === "queue_full";
        const words = isFull
          ? `The queue of the server ${host} is full.`
          : `The server ${host} is asked too often.`;
        const failure = new AutochromeError(UNREACHABLE, words, "Wait, or try again later.");
        throw new ServerTrouble("busy", failure, 1000 * Number(answer.header("retry-after") ?? 0));
      }
      if (error.type === "invalid_prompt_id") return "known";
      const isMissing = Object.values(nodeErrors).some(
        ({ class_type, errors }) =>
          class_type === "LoadImage" && errors.some(({ type }) => type === "custom_validation_failed"),
      );
      if (isMissing) return "photo-missing";
      throw workflowError({ ok: false, error, nodeErrors });
    },
    async ending(id, signal) {
      const answer = await line.ask({ method: "GET", path: `/history/${id}` }, signal);
      const entry = (await answer.read(historySchema))[id];
      if (entry === undefined) return undefined;
      const { outputs, status } = entry;
      const messages = new Map(status?.messages.map(([event, data]) => [event, data]));
      if (messages.has("execution_interrupted")) return { kind: "interrupted" };
      if (status?.status_str === "error" || messages.has("execution_error")) {
        return { kind: "failed", error: failureOf(messages.get("execution_error"), host) };
      }
      const pictures = Object.entries(outputs).map(([node, { images }]) => [node, images] as const);
      return { kind: "done", pictures: new Map(pictures) };
    },
    async open(signal) {
      const answer = await line.ask({ method: "GET", path: "/queue" }, signal);
      const { queue_running, queue_pending } = await answer.read(queueSchema);
      return [queue_running, queue_pending].flatMap((items, place) =>
        items.map(([, id, , extra]) => {
          const batch = extraSchema.safeParse(extra).data?.autochrome.batch;
          return { id, isRunning: place === 0, batch };
        }),
      );
    },
    remove: (ids, signal) => post("/queue", { delete: ids }, signal),
    interrupt: (id, signal) => post("/interrupt", { prompt_id: id }, signal),
    forget: (id, signal) => post("/history", { delete: [id] }, signal),
    async download(picture, target, signal) {
      const path = viewPath(picture);
      const answer = await line.ask({ method: "GET", path, accept: [404] }, signal);
      if (answer.status === 404) {
        await answer.body.dump();
        return false;
      }
      try {
        await pipeline(answer.body, createWriteStream(target, { flags: "wx" }));
      } catch (error) {
        throw lineTrouble(error, host, signal);
      }
      return true;
    },
    close: line.close,
  };
}

const NO_REASON = {
  error: { type: "", message: "it does not say why", details: "", extra_info: {} },
  node_errors: {},
};

function viewPath(picture: Picture): string {
  return `/view?${new URLSearchParams({ ...picture })}`;
}

/** A form with a file, whose end is not sent unless the file is the one that was promised: half a form is refused. */
async function* formOf(head: Buffer, file: string, sha256: string, tail: Buffer): AsyncGenerator<Buffer> {
  yield head;
  const hash = createHash("sha256");
  let held: Buffer | undefined;
  for await (const piece of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    if (held !== undefined) yield held;
    held = piece;
  }
  if (hash.digest("hex") !== sha256) throw changedWhileSent();
  if (held !== undefined) yield held;
  yield tail;
}

/** Our service says what went wrong and what to do; ComfyUI has Python's words. */
function failureOf(data: unknown, host: string): AutochromeError {
  const {
    exception_type: type,
    exception_message,
    node_type,
  } = failureSchema.safeParse(data).data ?? {
    exception_type: "",
    exception_message: "",
    node_type: "",
  };
  const [first = "", next = ""] = exception_message.trim().split("\n");
  const code = knownCode(type);
  if (code !== undefined) return new AutochromeError(code, first, next, { detail: `on the server ${host}` });
  const node = node_type === "" ? "" : ` in the node ${node_type}`;
  return new AutochromeError(
    /OutOfMemory/.test(type) ? "out-of-memory" : "inference-failed",
    `The server ${host} failed${node}: ${first === "" ? "it does not say why" : first}`,
    "Its log says more. Other photos are not affected.",
    { detail: `${type}: ${exception_message}` },
  );
}
