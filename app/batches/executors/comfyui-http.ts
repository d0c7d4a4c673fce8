// One question to a ComfyUI server: the way to it, and what it means when there is none.
//
// Owns: the client (proxies, key, time limits), the judgement of what went wrong.
// Must never: follow a redirect, or put the key anywhere but into the header that is meant for it.
import type { Readable } from "node:stream";
import { type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { z } from "zod";
import { AutochromeError, type ErrorCode } from "../../kernel/index.ts";
import {
  createTeller,
  DENIED,
  FAILED,
  type Patience,
  ServerTrouble,
  type Teller,
  UNREACHABLE,
} from "./comfyui-patience.ts";

export interface Question {
  readonly method: "GET" | "HEAD" | "POST";
  /** With its query, below the server's address. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON. */
  readonly json?: unknown;
  /** Any other body, and how many bytes it has. */
  readonly stream?: { readonly body: Readable; readonly size: number };
  /** Statuses that are an answer as good as success. */
  readonly accept?: readonly number[];
}

export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: Dispatcher.ResponseData["body"];
  /** The whole body, which must be JSON of this form. */
  read<Schema extends z.ZodType>(schema: Schema): Promise<z.infer<Schema>>;
}

export interface Line {
  /** "192.168.1.5:8188", for sentences. */
  readonly host: string;
  readonly teller: Teller;
  /** @throws ServerTrouble, the signal's reason, or what a streamed body threw */
  ask(question: Question, signal: AbortSignal | undefined): Promise<Answer>;
  close(): Promise<void>;
}

/** Bytes of an answer that is JSON at most: a queue may hold thousands of graphs. */
const MOST_BYTES = 256 * 2 ** 20;
/** Bytes a millisecond of the slowest line that is worth waiting for. */
const SLOWEST = 16;

/**
 * The way to a server, through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
 * @throws AutochromeError "usage" for what is no address
 */
export function openLine(
  url: string,
  key: string | undefined,
  { stallMs }: Patience,
  tell: (text: string) => void,
): Line {
  const address = URL.parse(url);
  if (address === null || !/^https?:$/.test(address.protocol)) {
    throw new AutochromeError(
      "usage",
      `${url} is not the address of a server.`,
      "Write it as http://192.168.1.5:8188.",
    );
  }
  const { host } = address;
  const base = `${address.origin}${address.pathname.replace(/\/+$/, "")}`;
  const agent = createAgent(stallMs);
  const teller = createTeller(host, tell);

  async function ask(question: Question, signal: AbortSignal | undefined): Promise<Answer> {
    const { method, path, headers = {}, json, stream, accept = [] } = question;
    // Only what is sent has a time: an answer that is a file may take any, as long as it goes on.
    const sending =
      stream === undefined ? [] : [AbortSignal.timeout(Math.ceil(stallMs * 2 + stream.size / SLOWEST))];
    const stops = [...(signal === undefined ? [] : [signal]), ...sending];
    let response: Dispatcher.ResponseData;
    try {
      response = await request(`${base}${path}`, {
        method,
        headers: {
          "user-agent": "Autochrome",
          "accept-encoding": "identity",
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(json === undefined ? {} : { "content-type": "application/json" }),
          ...(stream === undefined ? {} : { "content-length": String(stream.size) }),
          ...headers,
        },
        body: stream?.body ?? (json === undefined ? null : JSON.stringify(json)),
        dispatcher: agent,
        headersTimeout: stallMs,
        bodyTimeout: stallMs,
        signal: stops.length === 0 ? null : AbortSignal.any(stops),
      });
    } catch (error) {
      throw lineTrouble(error, host, signal);
    }
    const { statusCode: status, body } = response;
    const header = (name: string) => {
      const value = response.headers[name];
      return typeof value === "object" ? value[0] : value;
    };
    if (status >= 300 && !accept.includes(status)) {
      const text = await textOf(body, host, signal);
      throw statusTrouble(status, text, { host, hasKey: key !== undefined, header });
    }
    teller.over("away");
    return {
      status,
      header,
      body,
      async read(schema) {
        const text = await textOf(body, host, signal);
        const parsed = schema.safeParse(parse(text));
        if (parsed.success) return parsed.data;
        const error = notUnderstood(host, `${method} ${path.split("?")[0]}: ${text.slice(0, 200)}`);
        throw new ServerTrouble("failing", error);
      },
    };
  }
  return { host, teller, ask, close: () => agent.destroy() };
}

function createAgent(stallMs: number): Dispatcher {
  const own = process.env.no_proxy ?? process.env.NO_PROXY ?? "";
  try {
    return new EnvHttpProxyAgent({
      connect: { timeout: Math.min(stallMs, 10_000) },
      noProxy: `${own},localhost,127.0.0.1,::1`,
      allowH2: false, // one stalled transfer must not hold up the others
    });
  } catch (error) {
    throw new AutochromeError(
      "usage",
      "The proxy in HTTP_PROXY or HTTPS_PROXY is not an address.",
      "Write it as http://proxy.example:8080, or remove it from the environment.",
      { cause: error },
    );
  }
}

async function textOf(
  body: Dispatcher.ResponseData["body"],
  host: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > MOST_BYTES)
        throw new ServerTrouble("failing", notUnderstood(host, `more than ${MOST_BYTES} bytes`));
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof ServerTrouble ? error : lineTrouble(error, host, signal);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function notUnderstood(host: string, detail: string): AutochromeError {
  return new AutochromeError(
    FAILED,
    `The server ${host} answers something that is not to be understood.`,
    "Check whether the address is that of ComfyUI or of `autochrome serve`.",
    { detail },
  );
}

export function changedWhileSent(): AutochromeError {
  return new AutochromeError(
    "unreadable-file",
    "The photo changed while it was sent.",
    "Try again when the program that writes it has finished.",
  );
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/ENOTFOUND|EAI_AGAIN/, "its name is not known on this network"],
  [/ECONNREFUSED/, "it refuses the connection"],
  [/EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL/, "there is no way to it"],
  [/TIMEOUT|ETIMEDOUT|TimeoutError/, "it does not answer"],
  [/UND_ERR_PRX|Proxy response|Proxy Authentication/, "the proxy does not let us through"],
  [/ECONNRESET|ECONNABORTED|EPIPE|PREMATURE|UND_ERR_|HPE_|aborted|terminated/, "the connection broke off"],
];
const CERTIFICATE = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/;

/**
 * An error of the network as trouble.
 * @throws the signal's reason after an abort, and what is no error of the network
 */
export function lineTrouble(error: unknown, host: string, signal: AbortSignal | undefined): ServerTrouble {
  signal?.throwIfAborted();
  if (!(error instanceof Error) || error instanceof AutochromeError) throw error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH") throw changedWhileSent();
  if (CERTIFICATE.test(code)) {
    const failure = new AutochromeError(
      UNREACHABLE,
      `The certificate of the server ${host} is not trusted.`,
      "Check the address; an authority of your own is named in the environment's NODE_EXTRA_CA_CERTS.",
      { cause: error },
    );
    return new ServerTrouble("lasting", failure);
  }
  const [, reason] =
    REASONS.find(([pattern]) => pattern.test(`${code} ${error.name} ${code === "" ? error.message : ""}`)) ??
    [];
  if (reason === undefined) throw error;
  const failure = new AutochromeError(
    UNREACHABLE,
    `The server ${host} cannot be reached: ${reason}.`,
    "Check that it runs, its address, and the network.",
    { cause: error },
  );
  return new ServerTrouble("away", failure);
}

/** What our service and ComfyUI say of a failure. */
const failureSchema = z.object({
  error: z.object({ code: z.string().catch(""), message: z.string().catch(""), next: z.string().catch("") }),
});

/** Codes of ours that a server may say of a photo or of its own state. */
const CODES = [
  "unreadable-file",
  "empty-file",
  "not-an-image",
  "damaged-image",
  "unsupported-image",
  "image-too-large",
  "output-unwritable",
  "disk-full",
  "model-missing",
  "model-damaged",
  "model-unfit",
  "device-unavailable",
  "out-of-memory",
  "inference-failed",
  "workflow-invalid",
  "internal",
] as const satisfies ErrorCode[];

/** A code that a server of ours gave. */
export function knownCode(text: string): ErrorCode | undefined {
  return CODES.find((code) => code === text);
}

function statusTrouble(
  status: number,
  text: string,
  about: {
    readonly host: string;
    readonly hasKey: boolean;
    readonly header: (name: string) => string | undefined;
  },
): ServerTrouble {
  const { host, hasKey, header } = about;
  const failure = failureSchema.safeParse(parse(text)).data?.error;
  const { code = "", message = "", next = "" } = failure ?? {};
  const seconds = Number(header("retry-after") ?? 0);
  const make = (kind: ServerTrouble["kind"], code: ErrorCode, words: string, help: string) =>
    new ServerTrouble(
      kind,
      new AutochromeError(code, words, help, { detail: `${status} ${text.slice(0, 300)}` }),
      Number.isFinite(seconds) ? seconds * 1000 : 0,
    );
  const said = message === "" ? `it answers with the status ${status}.` : message;
  switch (status) {
    case 401:
      return make(
        "lasting",
        DENIED,
        hasKey ? `The server ${host} does not know this key.` : `The server ${host} wants a key.`,
        "Set remoteKey (AUTOCHROME_REMOTE_KEY) to the key that the server was started with.",
      );
    case 403:
      return make(
        "lasting",
        DENIED,
        `The server ${host} does not let us in: ${said}`,
        next || "Ask who runs it.",
      );
    case 413:
      return make(
        "lasting",
        "image-too-large",
        `The server ${host} does not take a file this large. ${message}`.trim(),
        next ||
          "Let it take larger ones (uploadMaxMb; ComfyUI: --max-upload-size), or colour this photo here.",
      );
    case 429:
    case 503:
      return make("busy", UNREACHABLE, `The server ${host} has too much to do.`, "Try again later.");
    case 507:
      return make(
        "failing",
        "disk-full",
        `The disk of the server ${host} is full.`,
        "Free some space there, then retry the batch.",
      );
  }
  if (status < 400) {
    return make(
      "lasting",
      DENIED,
      `The server ${host} sends us elsewhere.`,
      `Use the address that it leads to: ${header("location") ?? "it does not say which"}.`,
    );
  }
  if ([404, 408, 425, 502, 504].includes(status)) {
    return make(
      "away",
      UNREACHABLE,
      `The server ${host} is not there: ${said}`,
      "Check that it runs, and what stands in front of it.",
    );
  }
  if (status >= 500) {
    return make(
      "failing",
      FAILED,
      `The server ${host} does not do its work: ${said}`,
      next || "Its log says more.",
    );
  }
  const known = knownCode(code);
  return make(
    "lasting",
    known ?? "unreadable-file",
    known === undefined ? `The server ${host} refuses this photo: ${said}` : message,
    next || "Its log says more.",
  );
}
