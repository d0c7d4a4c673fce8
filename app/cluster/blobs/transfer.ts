// From single attempts to a store that can be relied on.
//
// Owns: retries, going on after a break, verifying by our own sha256, files that appear whole, the digest that bytes
// carry. Must never: hand out anything that was not verified where a digest is known.
import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { AutochromeError, hashFile, newId, toErrorRecord, writeAtomically } from "../../kernel/index.ts";
import { checkKey, checkPrefix, digestInKey, isKey, probeKey } from "./keys.ts";
import type { BlobStore, FileFacts, GrantRequest, StoreCheck, TransferOptions, Wanted } from "./store.ts";
import { type Doing, damaged, missing, type Patience, persist, StoreTrouble } from "./trouble.ts";
import type { Content, Reading, Wire } from "./wire.ts";

const DIGEST_LENGTH = 64;
const WEEK = 7 * 24 * 60 * 60;
/** So often the same wrong bytes are asked for again. */
const SAME_AGAIN = 3;

/** A store over a wire. */
export function createBlobStore(wire: Wire, patience: Patience): BlobStore {
  const { place } = wire;
  const judge = (doing: Doing) => (error: unknown) => wire.judge(error, doing);
  /** Repeats something small. */
  function retried<T>(doing: Doing, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
    return persist(attempt, judge(doing), { patience, signal });
  }

  function head(key: string, { signal }: TransferOptions = {}) {
    checkKey(key);
    return retried("read", signal, () => wire.head(key, signal));
  }

  async function write(
    key: string,
    content: Content,
    { signal, onProgress }: TransferOptions,
  ): Promise<void> {
    const fixed = digestInKey(key) !== undefined;
    let isFirst = true;
    let sent = 0;
    const attempt = async () => {
      // Perhaps only the answer was lost; what is there under such a key needs no second sending.
      const isThere = fixed && !isFirst && (await wire.head(key, signal))?.size === content.size;
      isFirst = false;
      if (!isThere) await wire.write(key, content, { signal, onProgress: report });
    };
    const report = (bytes: number) => {
      sent = Math.max(sent, bytes);
      onProgress?.(bytes);
    };
    await persist(attempt, judge("write"), { patience, signal, progress: () => sent });
    onProgress?.(content.size);
  }

  async function putFile(key: string, path: string, facts: FileFacts, options: TransferOptions = {}) {
    checkKey(key);
    const fixed = digestInKey(key);
    if (fixed !== undefined && fixed !== facts.sha256) throw otherDigest(key);
    if (fixed !== undefined && (await head(key, options))?.size === facts.size) {
      options.onProgress?.(facts.size);
      return "there";
    }
    const file = await open(path).catch((error: unknown) => {
      throw changed(path, error);
    });
    try {
      if ((await file.stat()).size !== facts.size) throw changed(path);
      await write(key, fileContent(file, path, facts), options);
    } catch (error) {
      // Who is to blame? A store that was sent another file than was promised says the same as one that garbles it.
      if (isDamaged(error) && (await hashFile(path).catch(() => "")) !== facts.sha256)
        throw changed(path, error);
      throw error;
    } finally {
      await file.close();
    }
    return "sent";
  }

  async function putBytes(key: string, bytes: Uint8Array, options: TransferOptions = {}) {
    checkKey(key);
    const fixed = digestInKey(key);
    const sha256 = digestOf(bytes);
    if (fixed !== undefined && fixed !== sha256) throw otherDigest(key);
    await write(
      key,
      bytesContent(fixed === undefined ? seal(bytes, sha256) : new Uint8Array(bytes)),
      options,
    );
  }

  async function getFile(key: string, target: string, wanted: Wanted, options: TransferOptions = {}) {
    checkKey(key);
    await writeAtomically(target, { overwrite: wanted.overwrite }, async (temporary) => {
      const file = await open(temporary, "wx");
      try {
        const sink: Sink = {
          async append(bytes, position) {
            await file.write(bytes, 0, bytes.length, position).catch((error: unknown) => {
              throw localError(error, target);
            });
          },
          clear: () => file.truncate(0),
        };
        await fetchInto(sink, key, wanted, options);
      } finally {
        await file.close();
      }
    });
  }

  async function getBytes(
    key: string,
    { maxBytes }: { readonly maxBytes: number },
    options: TransferOptions = {},
  ): Promise<Uint8Array> {
    checkKey(key);
    const fixed = digestInKey(key);
    const limit = fixed === undefined ? maxBytes + DIGEST_LENGTH + 1 : maxBytes;
    let chunks: Uint8Array[] = [];
    const sink: Sink = {
      append: async (bytes, position) => {
        if (position + bytes.length > limit) throw damaged(place, `more than ${maxBytes} bytes`).error;
        chunks.push(bytes);
      },
      clear: async () => {
        chunks = [];
      },
    };
    // A digest that is inside can be checked only when all is there, so that wrong bytes mean to ask once more.
    return retried("read", options.signal, async () => {
      await sink.clear();
      await fetchInto(sink, key, {}, options);
      const all = Buffer.concat(chunks);
      return fixed === undefined ? unseal(all, place) : all;
    });
  }

  /** Fetches a blob from wherever an attempt stopped, until all of it is there and verified. */
  async function fetchInto(
    sink: Sink,
    key: string,
    wanted: Pick<Wanted, "sha256" | "size">,
    { signal, onProgress }: TransferOptions,
  ): Promise<void> {
    const sha256 = wanted.sha256 ?? digestInKey(key);
    let hash = createHash("sha256");
    let offset = 0;
    let tag: string | undefined;
    const wrong: string[] = [];
    async function restart(): Promise<void> {
      await sink.clear();
      hash = createHash("sha256");
      offset = 0;
      tag = undefined;
    }
    function requireIt(digest: string, expected: string): void {
      if (digest === expected) return;
      wrong.push(digest);
      const { error, again } = damaged(place, `the digest ${digest} instead of ${expected}`);
      // What comes out the same again and again is what lies there.
      const isStored = wrong.slice(-SAME_AGAIN).filter((one) => one === digest).length === SAME_AGAIN;
      throw isStored ? error : new StoreTrouble(error, again);
    }
    async function attempt(): Promise<void> {
      const reading = await wire.read(key, offset, signal).catch(async (error: unknown) => {
        if (isDamaged(wire.judge(error, "read"))) await restart(); // it ends before where we were
        throw error;
      });
      if (reading === undefined) throw missing(place, key);
      try {
        if (reading.first !== offset || (offset > 0 && !isSame(reading, tag, sha256))) await restart();
        if (reading.first !== offset)
          throw new StoreTrouble(damaged(place, "other bytes than asked for").error, "now");
        const size = reading.size ?? wanted.size;
        if (wanted.size !== undefined && size !== wanted.size) {
          throw damaged(place, `${size} bytes instead of ${wanted.size}`);
        }
        tag = reading.tag;
        for await (const chunk of watched(reading.body, patience.stallMs, signal)) {
          if (size !== undefined && offset + chunk.length > size)
            throw damaged(place, "more bytes than announced");
          await sink.append(chunk, offset);
          hash.update(chunk);
          offset += chunk.length;
          onProgress?.(offset);
        }
        if (size !== undefined && offset < size) throw cut();
        if (sha256 !== undefined) requireIt(hash.copy().digest("hex"), sha256);
      } catch (error) {
        if (isDamaged(error)) await restart();
        throw error;
      } finally {
        reading.discard();
      }
    }
    await persist(attempt, judge("read"), { patience, signal, progress: () => offset });
  }

  async function* list(
    prefix: string,
    { after = "" }: { readonly after?: string } = {},
    options: TransferOptions = {},
  ) {
    checkPrefix(prefix);
    const { signal } = options;
    for (let last = after; ; ) {
      const { entries, more } = await retried("list", signal, () => wire.page(prefix, last, signal));
      for (const entry of entries) {
        if (entry.key <= last || !entry.key.startsWith(prefix)) continue; // a store that knows no start-after
        if (!isKey(entry.key)) continue; // somebody else's
        yield entry;
      }
      const end = entries.at(-1)?.key;
      if (!more) return;
      if (end === undefined || end <= last) throw notListed(place);
      last = end;
    }
  }

  async function remove(keys: readonly string[], { signal }: TransferOptions = {}) {
    for (const key of keys) checkKey(key);
    if (keys.length > 0) await retried("delete", signal, () => wire.remove(keys, signal));
  }

  async function grant(request: GrantRequest, { signal }: TransferOptions = {}) {
    for (const key of [...request.read, ...request.write]) checkKey(key);
    if (!(request.seconds >= 60 && request.seconds <= WEEK)) {
      throw new AutochromeError(
        "usage",
        "A permission for the storage is good for one minute to seven days.",
        "Choose a time in between.",
      );
    }
    return retried("grant", signal, () => wire.grant(request, signal));
  }

  async function check(options: TransferOptions = {}): Promise<StoreCheck> {
    const key = probeKey(newId());
    const brief = createBlobStore(wire, { ...patience, retries: Math.min(patience.retries, 2) });
    const probe = Buffer.from(`Autochrome tries whether this can be written. ${key}`);
    try {
      await brief.putBytes(key, probe, options);
      const back = await brief.getBytes(key, { maxBytes: 1000 }, options);
      if (!probe.equals(back)) throw damaged(place, "the probe came back changed").error;
      let listed = 0;
      for await (const entry of brief.list(key, {}, options)) if (entry.key === key) listed++;
      if (listed !== 1) throw notListed(place);
      await brief.delete([key], options);
      return { ok: true, message: `The ${place} can be read and written.${clockRemark(wire)}`, next: "" };
    } catch (error) {
      await brief.delete([key]).catch(() => undefined); // it may never have got there
      options.signal?.throwIfAborted();
      return { ok: false, ...toErrorRecord(error, `the ${place}`) };
    }
  }

  return {
    place,
    head,
    putFile,
    putBytes,
    getFile,
    getBytes,
    list,
    delete: remove,
    grant,
    check,
    close: () => wire.close(),
  };
}

/** Where fetched bytes go. */
interface Sink {
  append(bytes: Uint8Array, position: number): Promise<void>;
  clear(): Promise<void>;
}

/** Whether the rest of a blob may be put behind what is there of it. A known digest decides in the end anyway. */
function isSame(reading: Reading, tag: string | undefined, sha256: string | undefined): boolean {
  return tag === undefined || reading.tag === undefined ? sha256 !== undefined : tag === reading.tag;
}

/** Chunks of a body; silence ends it. Who reads discards it. */
async function* watched(
  body: AsyncIterable<Uint8Array>,
  stallMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  for (;;) {
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(stalled()), stallMs);
    const abort = () => reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      signal?.throwIfAborted();
      const next = await Promise.race([iterator.next(), stopped]);
      if (next.done === true) return;
      yield next.value;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
}

function stalled(): Error {
  return Object.assign(new Error("the store stopped sending"), { code: "AUTOCHROME_STALLED" });
}

function cut(): Error {
  return Object.assign(new Error("the body ended early"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes with their digest in front: "<sha256>\n<bytes>". */
function seal(bytes: Uint8Array, sha256: string): Uint8Array<ArrayBuffer> {
  return Buffer.concat([Buffer.from(`${sha256}\n`), bytes]);
}

function unseal(sealed: Buffer, place: string): Uint8Array {
  const bytes = sealed.subarray(DIGEST_LENGTH + 1);
  if (sealed.toString("latin1", 0, DIGEST_LENGTH + 1) === `${digestOf(bytes)}\n`) return bytes;
  throw damaged(place, "bytes that do not fit their digest");
}

function fileContent(file: FileHandle, path: string, facts: FileFacts): Content {
  return {
    ...facts,
    async piece(start, end) {
      const bytes = new Uint8Array(end - start);
      for (let filled = 0; filled < bytes.length; ) {
        const { bytesRead } = await file
          .read(bytes, filled, bytes.length - filled, start + filled)
          .catch((error: unknown) => {
            throw changed(path, error);
          });
        if (bytesRead === 0) throw changed(path);
        filled += bytesRead;
      }
      return bytes;
    },
    blob: () => openAsBlob(path),
  };
}

function bytesContent(bytes: Uint8Array<ArrayBuffer>): Content {
  return {
    size: bytes.length,
    sha256: digestOf(bytes),
    piece: async (start, end) => bytes.subarray(start, end),
    blob: async () => new Blob([bytes]),
  };
}

function isDamaged(error: unknown): boolean {
  const cause = error instanceof StoreTrouble ? error.error : error;
  return cause instanceof AutochromeError && cause.code === "storage-damaged";
}

function changed(path: string, cause?: unknown): AutochromeError {
  return new AutochromeError(
    "unreadable-file",
    `${path} cannot be read, or was changed while it was sent.`,
    "Check the file, and import it again if it was changed on purpose.",
    { cause },
  );
}

function otherDigest(key: string): AutochromeError {
  return new AutochromeError(
    "internal",
    "A file was to be stored under another one's name.",
    "Please report this.",
    {
      detail: key,
    },
  );
}

function notListed(place: string): AutochromeError {
  return new AutochromeError(
    "storage-failed",
    `The ${place} takes files, but does not list them as it should.`,
    "Check what it says about listing (ListObjectsV2, start-after), or use another store.",
  );
}

/** The disk's errors on this side, with the file named: nothing that another attempt would mend. */
function localError(error: unknown, target: string): AutochromeError {
  const { code, message, next } = toErrorRecord(error, target);
  return new AutochromeError(code, message, next, { cause: error });
}

function clockRemark(wire: Wire): string {
  const minutes = Math.round((wire.clockOffset?.() ?? 0) / 60_000);
  if (Math.abs(minutes) < 2) return "";
  return ` This computer's clock is ${Math.abs(minutes)} minutes ${minutes > 0 ? "slow" : "fast"}; that is made up for, but better set right.`;
}
