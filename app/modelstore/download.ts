// Fetching one file from the first of several servers that gives it, whole and verified or not at all.
//
// Owns: which server is asked next, for which bytes, and whether what it sends may be believed.
// Must never: let a file appear whose digest is wrong, or send anything but the request.
import { mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Dispatcher } from "undici";
import { AutochromeError } from "../kernel/index.ts";
import { type Answer, ask, createAgent, type Fault, failed, networkFault, statusFault } from "./http.ts";
import { openPart, type Part, withPartLock } from "./part.ts";
import { createReporter, type DownloadProgress, type ProgressReporter } from "./progress.ts";
import { inMegabytes, requireSpace, writeError } from "./space.ts";

export interface DownloadOptions {
  /** Tried in order; a mirror goes on where another stopped. http or https. */
  readonly sources: readonly string[];
  /** Absolute path; appears whole and verified, or not at all. A file that is there is replaced. */
  readonly target: string;
  /** Lower-case hex. Where it is not known, what the source says of its file (Hugging Face's x-linked-etag) is used. */
  readonly sha256?: string | undefined;
  /** Bytes, where known. */
  readonly size?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Each time something goes wrong that does not end the download. */
  readonly onTrouble?: ((trouble: DownloadTrouble) => void) | undefined;
  /** Milliseconds without a byte after which a connection is given up. */
  readonly stallMs?: number;
  /** How often a source is asked again after failures without progress between them. */
  readonly retries?: number;
  /** The first wait, in milliseconds; it doubles from then on. */
  readonly backoffMs?: number;
  /** Longest wait, in milliseconds, whatever the server asks for. */
  readonly longestWaitMs?: number;
}

export interface DownloadTrouble {
  readonly source: string;
  /** A clause about the server: "it stopped sending". */
  readonly reason: string;
  /** Milliseconds until this source is asked again; undefined when it is given up. */
  readonly waitMs: number | undefined;
}

export interface Downloaded {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Who sent the last piece. */
  readonly source: string;
  /** What the digest was checked against: the caller's, the server's own word, or nothing. */
  readonly verifiedBy: "manifest" | "server" | "nothing";
}

/** So much more than ever before is progress: the count of failures begins anew. */
const GAIN_BYTES = 64 * 1024;

interface Run {
  readonly options: DownloadOptions;
  readonly part: Part;
  readonly agent: Dispatcher;
  readonly stallMs: number;
  readonly reporter: ProgressReporter;
  /** What the whole file must be. "earlier": a server's word in another run, which none has confirmed yet. */
  digest: { readonly sha256: string; readonly by: "manifest" | "server" | "earlier" } | undefined;
  /** Bytes of the whole file, where the caller or the server's word on its digest comes with it. */
  size: number | undefined;
  /** Who sent the bytes that are there; "" for those of an earlier run. */
  readonly senders: Set<string>;
  /** Pieces of several senders made a wrong file: from now on each has to send it alone. */
  isAlone: boolean;
  /** Sources that send wrong pieces: they are asked for the whole file. */
  readonly rangeless: Set<string>;
  /** Sources that are reachable. */
  readonly reached: Set<string>;
}

/**
 * Downloads a file. What has arrived is kept beside the target when the download is stopped or fails, and is gone on
 * with next time.
 * @throws AutochromeError "usage", "no-network" (no source can be reached), "download-failed" (none gives the file),
 * "model-damaged" (it was given, but wrong, and is removed), "disk-full" and other errors of the disk
 */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  checkSources(options.sources);
  const { target, signal, stallMs = 30_000 } = options;
  signal?.throwIfAborted();
  await mkdir(dirname(target), { recursive: true }).catch((error: unknown) => {
    throw writeError(error, dirname(target));
  });
  return withPartLock(target, async () => {
    const agent = createAgent(stallMs);
    const part = await openPart(target, signal);
    try {
      const earlier = part.state().sha256;
      const run: Run = {
        options,
        part,
        agent,
        stallMs,
        reporter: createReporter(options.onProgress),
        digest:
          options.sha256 !== undefined
            ? { sha256: options.sha256, by: "manifest" }
            : earlier === undefined
              ? undefined
              : { sha256: earlier, by: "earlier" },
        size: options.size,
        senders: new Set(part.size() > 0 ? [""] : []),
        isAlone: false,
        rangeless: new Set(),
        reached: new Set(),
      };
      if (options.sha256 !== undefined && earlier !== undefined && earlier !== options.sha256)
        await clear(run);
      if (options.size !== undefined) await requireRoom(options, options.size - part.size());
      return await trySources(run);
    } finally {
      await part.close();
      await agent.destroy();
    }
  });
}

function checkSources(sources: readonly string[]): void {
  const wrong = sources.find((source) => !/^https?:$/.test(URL.parse(source)?.protocol ?? ""));
  if (sources.length > 0 && wrong === undefined) return;
  throw new AutochromeError(
    "usage",
    wrong === undefined ? "There is no address to download from." : `${wrong} is not an address on the web.`,
    "Give an address that begins with https://.",
  );
}

async function trySources(run: Run): Promise<Downloaded> {
  const { part, options } = run;
  const faults = new Map<string, Fault>();
  let queue = [...new Set(options.sources)];
  for (let source = queue.shift(); source !== undefined; source = queue.shift()) {
    const fault = (await persist(run, source)) ?? judgeWhole(run);
    if (fault === undefined) {
      const { digest } = run;
      const verifiedBy = digest === undefined ? "nothing" : digest.by === "manifest" ? "manifest" : "server";
      const downloaded: Downloaded = { sha256: part.sha256(), size: part.size(), source, verifiedBy };
      await part.finish();
      return downloaded;
    }
    faults.set(source, fault);
    if (fault.kind !== "damaged") continue;
    options.onTrouble?.({ source, reason: fault.reason, waitMs: undefined });
    const isMixture = [...run.senders].some((sender) => sender !== source);
    await clear(run);
    if (isMixture) {
      run.isAlone = true; // nobody knows who was wrong
      queue = [...new Set(options.sources)];
    }
  }
  throw giveUp(run, faults);
}

/** Whether all that is there is what it should be. */
function judgeWhole({ part, digest }: Run): Fault | undefined {
  const sha256 = part.sha256();
  if (digest === undefined || digest.sha256 === sha256) return undefined;
  return {
    kind: "damaged",
    reason: `its file is not the right one (SHA-256 ${sha256} instead of ${digest.sha256})`,
    retry: "never",
  };
}

/** Asks a source until the whole file is there, or until there is no use in asking again. */
async function persist(run: Run, source: string): Promise<Fault | undefined> {
  const { part, options } = run;
  const { retries = 5, backoffMs = 1000, longestWaitMs = 60_000 } = options;
  let most = part.size();
  for (let failures = 1; ; failures++) {
    const fault = await fetchPiece(run, source);
    if (fault === undefined) return undefined;
    if (part.size() >= most + GAIN_BYTES) failures = 1;
    most = Math.max(most, part.size());
    const isHopeless =
      fault.retry === "never" ||
      failures > retries ||
      (fault.kind === "unreachable" && !run.reached.has(source)); // no use in waiting for a wrong address
    const jitter = 0.5 + Math.random() / 2; // many clients that were cut off together do not come back together
    const backoff = fault.retry === "now" ? 0 : backoffMs * 2 ** (failures - 1) * jitter;
    const waitMs = isHopeless ? undefined : Math.min(longestWaitMs, Math.max(backoff, fault.waitMs ?? 0));
    options.onTrouble?.({ source, reason: fault.reason, waitMs });
    if (waitMs === undefined) return fault;
    await sleep(waitMs, undefined, { signal: options.signal });
  }
}

/** One request for what is missing. @returns nothing when the whole file is there */
async function fetchPiece(run: Run, source: string): Promise<Fault | undefined> {
  const { part, options } = run;
  if (!mayGoOn(run, source)) await clear(run);
  const offset = part.size();
  if (offset > 0 && offset === run.size) return undefined;
  const isWhole = offset === 0 || run.rangeless.has(source);
  const answer = await ask(source, isWhole ? {} : rangeHeaders(offset, etagOf(run, source)), {
    agent: run.agent,
    stallMs: run.stallMs,
    signal: options.signal,
  });
  if ("kind" in answer) return answer;
  run.reached.add(source);
  try {
    const piece = await judgeAnswer(run, source, answer);
    if (piece === "whole") return undefined;
    if ("kind" in piece) return piece;
    return await receive(run, source, answer, piece);
  } finally {
    answer.discard();
  }
}

const rangeHeaders = (offset: number, etag: string | undefined) => ({
  range: `bytes=${offset}-`,
  ...(etag === undefined ? {} : { "if-range": etag }),
});

/** The ETag that the source gave for what is there. */
function etagOf({ part }: Run, source: string): string | undefined {
  const state = part.state();
  return state.source === source ? state.etag : undefined;
}

/** Whether what is there may be the beginning of what this source has. The digest of the whole decides in the end. */
function mayGoOn(run: Run, source: string): boolean {
  if (run.size !== undefined && run.part.size() > run.size) return false;
  if (run.isAlone) return [...run.senders].every((sender) => sender === source);
  return run.digest !== undefined || etagOf(run, source) !== undefined;
}

interface Piece {
  /** Where in the file its first byte belongs; not beyond what is there. */
  readonly first: number;
  /** Bytes of the whole file, where the answer tells. */
  readonly total: number | undefined;
}

/** Whether an answer is a piece of our file, and which. */
async function judgeAnswer(run: Run, source: string, answer: Answer): Promise<Piece | "whole" | Fault> {
  const { part } = run;
  const { status, linked, range } = answer;
  if (status !== 200 && status !== 206 && status !== 416) return statusFault(answer);

  if (linked.sha256 !== undefined) {
    if (run.digest !== undefined && run.digest.sha256 !== linked.sha256) {
      if (run.digest.by !== "earlier") return failed("it has another file", "never");
      await clear(run);
    }
    if (run.digest?.by !== "manifest") run.digest = { sha256: linked.sha256, by: "server" };
    run.size ??= linked.size;
  }
  const total = status === 200 ? answer.length : range?.total;
  if (run.size !== undefined && (total ?? linked.size ?? run.size) !== run.size) {
    const size = (total ?? linked.size ?? 0).toLocaleString("en");
    return failed(`it has a file of ${size} bytes, not of ${run.size.toLocaleString("en")}`, "never");
  }
  if (status === 416 && total !== undefined && total === part.size()) return "whole";
  if (status !== 416 && /^(text\/html|application\/xhtml\+xml)$/.test(answer.contentType ?? ""))
    return failed(
      "it answers with a web page instead of the file (does this network ask you to sign in?)",
      "never",
    );
  if ((answer.contentEncoding ?? "identity") !== "identity")
    return failed("it sends the file in another form than it was asked for", "never");

  const first = status === 200 ? 0 : range?.first;
  if (first === undefined || first > part.size()) {
    if (run.rangeless.has(source)) return failed("it sends pieces that were not asked for", "never");
    run.rangeless.add(source);
    return failed("it sends another piece than it was asked for", "now");
  }
  const etag = etagOf(run, source);
  const isSame = etag !== undefined && etag === answer.etag;
  const isOther = etag !== undefined && answer.etag !== undefined && etag !== answer.etag;
  if (isOther || (run.digest === undefined && !isSame) || (total !== undefined && part.size() > total)) {
    await clear(run);
    if (first > 0) return failed("its file has changed meanwhile", "now");
  }
  return { first, total: total ?? run.size };
}

/** Writes what comes, behind what is there. @returns nothing when the whole file is there */
async function receive(
  run: Run,
  source: string,
  { chunks, etag }: Answer,
  piece: Piece,
): Promise<Fault | undefined> {
  const { part, options, reporter } = run;
  const { total } = piece;
  if (total !== undefined) await requireRoom(options, total - part.size());
  await part.describe({
    source,
    ...(run.digest === undefined ? {} : { sha256: run.digest.sha256 }),
    ...(etag === undefined ? {} : { etag }),
  });
  reporter.begin(part.size(), total, source);
  let position = piece.first;
  try {
    for await (const chunk of chunks) {
      const fresh = chunk.subarray(Math.min(chunk.length, part.size() - position));
      position += chunk.length;
      if (total !== undefined && part.size() + fresh.length > total) {
        await clear(run);
        return failed("it sends more than the file has", "never");
      }
      if (fresh.length === 0) continue;
      await part.append(fresh);
      run.senders.add(source);
      reporter.advance(part.size());
    }
  } catch (error) {
    return networkFault(error, options.signal);
  } finally {
    reporter.end(part.size());
  }
  return total === undefined || part.size() === total
    ? undefined
    : failed("the connection broke off", "later");
}

async function clear(run: Run): Promise<void> {
  await run.part.clear();
  run.senders.clear();
  if (run.digest?.by === "earlier") run.digest = undefined;
}

function requireRoom(options: DownloadOptions, bytes: number): Promise<void> {
  return requireSpace(dirname(options.target), bytes, `The download of ${basename(options.target)}`);
}

function giveUp({ part, options }: Run, faults: ReadonlyMap<string, Fault>): AutochromeError {
  const name = basename(options.target);
  const reasons = [...faults].map(([source, { reason }]) => `${new URL(source).host}: ${reason}`).join("; ");
  const kinds = new Set([...faults.values()].map((fault) => fault.kind));
  const otherWay = "Or fetch the file on another computer and take it in with `autochrome models import`.";
  if (kinds.has("damaged")) {
    return new AutochromeError(
      "model-damaged",
      `What was downloaded as ${name} is not the right file; it was removed.`,
      `Try again later. ${otherWay}`,
      { detail: reasons },
    );
  }
  if (kinds.size === 1 && kinds.has("unreachable")) {
    return new AutochromeError(
      "no-network",
      `${name} could not be downloaded, no server can be reached (${reasons}).`,
      `Check the network connection, and the proxy if you need one (HTTPS_PROXY). ${otherWay}`,
    );
  }
  const kept = part.size() === 0 ? "" : `, and goes on after the ${inMegabytes(part.size())} that are there`;
  return new AutochromeError(
    "download-failed",
    `${name} could not be downloaded (${reasons}).`,
    `Try again later: the same command asks once more${kept}. ${otherWay}`,
  );
}
