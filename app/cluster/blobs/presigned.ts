// An S3 store as a grant shows it: addresses that are signed for one key, one method and a time.
//
// Owns: fetching and sending by such addresses. Must never: need credentials, or log an address: it is a password.
import { createHash } from "node:crypto";
import { AutochromeError } from "../../kernel/index.ts";
import { type Asked, ask, createHttpClient, drop, readingOf, sizeByRange } from "./http.ts";
import { s3Trouble } from "./s3-trouble.ts";
import type { Grant } from "./store.ts";
import { type Doing, expired, networkTrouble, readRetryAfter, StoreTrouble } from "./trouble.ts";
import { type Content, requireDigest, type Wire } from "./wire.ts";

/** Bytes that are hashed at once. */
const PIECE = 4 * 1024 * 1024;

export function createPresignedWire(grant: Extract<Grant, { kind: "s3" }>, stallMs: number): Wire {
  const client = createHttpClient(stallMs, grant.ca);
  const example = Object.values(grant.read)[0] ?? Object.values(grant.write)[0];
  const place = `storage at ${example === undefined ? "nowhere" : new URL(example).host}`;

  const refusing = (doing: Doing) => async (answer: Asked) => {
    const text = (await answer.text().catch(() => "")).slice(0, 4000);
    // whatever it says: stores have many words for it
    if ([400, 401, 403].includes(answer.status) && Date.now() > Date.parse(grant.expires))
      return new StoreTrouble(expired(place, { detail: `${answer.status} ${text}` }), "never");
    const part = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? "";
    return s3Trouble({
      place,
      doing,
      status: answer.status,
      code: part("Code"),
      message: part("Message"),
      retryAfterMs: readRetryAfter(answer.headers.get("Retry-After")),
    });
  };

  function get(key: string, range: string | undefined, signal: AbortSignal | undefined): Promise<Asked> {
    const url = grant.read[key];
    if (url === undefined) throw outside(key);
    return ask(
      client.fetch,
      url,
      { method: "GET", headers: range === undefined ? {} : { Range: range } },
      { stallMs, signal },
    );
  }

  return {
    place,
    async head(key, signal) {
      return sizeByRange(await get(key, "bytes=0-0", signal), refusing("read"));
    },
    async read(key, offset, signal) {
      const answer = await get(key, offset === 0 ? undefined : `bytes=${offset}-`, signal);
      return readingOf(answer, place, refusing("read"));
    },
    async write(key, content, { signal }) {
      const url = grant.write[key];
      if (url === undefined) throw outside(key);
      const body = await content.blob();
      const answer = await ask(
        client.fetch,
        url,
        {
          method: "PUT",
          // the one digest that may travel outside the signature; the store refuses what does not fit it
          headers: { "Content-MD5": await md5(content), "Content-Type": "application/octet-stream" },
          body,
        },
        { stallMs, signal },
      );
      if (answer.status !== 200) throw await refusing("write")(answer);
      await drop(answer);
    },
    page: async () => {
      throw outside("list");
    },
    remove: async () => {
      throw outside("delete");
    },
    grant: async () => {
      throw outside("grant");
    },
    judge: (error) => networkTrouble(error, place),
    close: () => client.close(),
  };
}

/** MD5 of content in base 64; the same reading proves that it is what it should be. */
async function md5(content: Content): Promise<string> {
  const digest = createHash("md5");
  const sha256 = createHash("sha256");
  for (let start = 0; start < content.size; start += PIECE) {
    const piece = await content.piece(start, Math.min(start + PIECE, content.size));
    digest.update(piece);
    sha256.update(piece);
  }
  requireDigest(sha256.digest("hex"), content);
  return digest.digest("base64");
}

function outside(what: string): AutochromeError {
  return new AutochromeError(
    "storage-denied",
    "The permission that was given does not reach so far.",
    "Send the batch again, so that a fitting one is made.",
    { detail: what },
  );
}
