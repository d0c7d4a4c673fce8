// An S3 bucket as a store, at any compatible server.
//
// Owns: the client and how its errors read; which checksums travel. Must never: rely on checksums that the SDK adds by
// itself: other stores than Amazon's refuse them. What is sent carries Content-MD5, which all stores compare, and its
// SHA-256 in the signature, which many do; our own sha256 decides in the end.
import { createHash } from "node:crypto";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";
import { addressOf } from "./http.ts";
import { probeKey } from "./keys.ts";
import { PART_BYTES, sendInParts } from "./s3-parts.ts";
import { s3Trouble } from "./s3-trouble.ts";
import type { GrantRequest } from "./store.ts";
import { type Doing, damaged, networkTrouble, readRetryAfter, StoreTrouble } from "./trouble.ts";
import { requireDigest, type Wire } from "./wire.ts";

export interface S3Settings {
  readonly bucket: string;
  /** Address of the server; absent: Amazon's of that region. */
  readonly endpoint?: string | undefined;
  /** Where pods reach the server; absent: at `endpoint`. */
  readonly insideEndpoint?: string | undefined;
  /** "us-east-1" where nothing is said, as most other servers have it. */
  readonly region?: string | undefined;
  /** Whether the bucket stands in the path and not in the host's name; absent: yes where there is an endpoint. */
  readonly pathStyle?: boolean | undefined;
  /** What all keys begin with in the bucket: "autochrome/". */
  readonly prefix?: string | undefined;
  /** Absent: what the environment has (variables, profiles, workload identity). */
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined;
  /** PEM of the authority of the server's certificate. */
  readonly ca?: string | undefined;
}

/** Deletions at once where a server takes no lists. */
const AT_ONCE = 8;
const PER_LIST = 1000;
/** Addresses that are signed without a pause. */
const SIGNATURES = 20;

export function createS3Wire(settings: S3Settings, stallMs: number): Wire {
  const { bucket: Bucket } = settings;
  const endpoint = settings.endpoint === undefined ? undefined : addressOf(settings.endpoint);
  const insideEndpoint =
    settings.insideEndpoint === undefined ? endpoint : addressOf(settings.insideEndpoint);
  const prefix = (settings.prefix ?? "").replace(/^\/+|\/*$/g, "").replace(/.$/, "$&/");
  const client = createClient(settings, endpoint, stallMs);
  const inside = insideEndpoint === endpoint ? client : createClient(settings, insideEndpoint, stallMs);
  const place = `bucket ${Bucket}${endpoint === undefined ? "" : ` at ${new URL(endpoint).host}`}`;
  let knownClock: Promise<void> | undefined;
  const nameOf = (key: string) => prefix + key;
  const abortable = (signal: AbortSignal | undefined) =>
    signal === undefined ? {} : { abortSignal: signal };

  async function head(key: string, signal?: AbortSignal) {
    try {
      const answer = await client.send(
        new HeadObjectCommand({ Bucket, Key: nameOf(key) }),
        abortable(signal),
      );
      return { size: answer.ContentLength ?? 0 };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async function removeOne(key: string, signal: AbortSignal | undefined): Promise<void> {
    await client.send(new DeleteObjectCommand({ Bucket, Key: nameOf(key) }), abortable(signal));
  }

  async function removeList(keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    const Objects = keys.map((key) => ({ Key: nameOf(key) }));
    const answer = await client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
      abortable(signal),
    );
    const wrong = answer.Errors?.find(({ Code }) => Code !== "NoSuchKey");
    if (wrong === undefined) return;
    const about = {
      status: 403,
      code: wrong.Code ?? "",
      message: wrong.Message ?? "",
      retryAfterMs: undefined,
    };
    throw s3Trouble({ place, doing: "delete", ...about });
  }

  return {
    place,
    head,
    async read(key, offset, signal) {
      try {
        const answer = await client.send(
          new GetObjectCommand({
            Bucket,
            Key: nameOf(key),
            ...(offset === 0 ? {} : { Range: `bytes=${offset}-` }),
          }),
          abortable(signal),
        );
        const [, first, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.ContentRange ?? "") ?? [];
        const body = answer.Body;
        if (!(body instanceof Readable)) throw new Error("this is no body to be read");
        return {
          first: Number(first ?? 0),
          size: total === undefined ? answer.ContentLength : Number(total),
          tag: answer.ETag,
          body,
          discard: () => void body.on("error", () => undefined).destroy(),
        };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async write(key, content, sending) {
      const where = { Bucket, Key: nameOf(key) };
      if (content.size > PART_BYTES) return sendInParts(client, where, content, sending);
      const Body = await content.piece(0, content.size);
      requireDigest(createHash("sha256").update(Body).digest("hex"), content);
      const ContentMD5 = createHash("md5").update(Body).digest("base64");
      await client.send(new PutObjectCommand({ ...where, Body, ContentMD5 }), abortable(sending.signal));
    },
    async page(start, after, signal) {
      const answer = await client.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix: nameOf(start),
          ...(after === "" ? {} : { StartAfter: nameOf(after) }),
        }),
        abortable(signal),
      );
      const entries = (answer.Contents ?? []).flatMap(({ Key, Size, LastModified }) =>
        Key === undefined
          ? []
          : [
              {
                key: Key.slice(prefix.length),
                size: Size ?? 0,
                modified: (LastModified ?? new Date(0)).toISOString(),
              },
            ],
      );
      return { entries, more: answer.IsTruncated === true };
    },
    async remove(keys, signal) {
      try {
        for (let start = 0; start < keys.length; start += PER_LIST) {
          const some = keys.slice(start, start + PER_LIST);
          if (some.length === 1) await removeOne(some[0] as string, signal);
          else await removeList(some, signal);
        }
      } catch (error) {
        if (!takesNoLists(error)) throw error;
        for (let start = 0; start < keys.length; start += AT_ONCE) {
          await Promise.all(keys.slice(start, start + AT_ONCE).map((key) => removeOne(key, signal)));
        }
      }
    },
    async grant(request: GrantRequest, signal) {
      // Signatures carry the time: an answer to anything tells the store's.
      knownClock ??= head(probeKey("clock"), signal).then(
        () => undefined,
        () => undefined,
      );
      await knownClock;
      signal?.throwIfAborted();
      const signingDate = new Date(Date.now() + client.config.systemClockOffset);
      const options = { expiresIn: Math.floor(request.seconds), signingDate };
      const read: Record<string, string> = {};
      const write: Record<string, string> = {};
      let signed = 0;
      for (const key of new Set([...request.read, ...request.write])) {
        if (++signed % SIGNATURES === 0) await turn(); // signing is arithmetic: nobody else would get the loop
        read[key] = await getSignedUrl(inside, new GetObjectCommand({ Bucket, Key: nameOf(key) }), options);
      }
      for (const key of request.write) {
        if (++signed % SIGNATURES === 0) await turn();
        write[key] = await getSignedUrl(inside, new PutObjectCommand({ Bucket, Key: nameOf(key) }), options);
      }
      return {
        kind: "s3",
        expires: new Date(signingDate.getTime() + options.expiresIn * 1000).toISOString(),
        read,
        write,
        ...(settings.ca === undefined ? {} : { ca: settings.ca }),
      };
    },
    judge: (error, doing) => judge(error, doing, place),
    clockOffset: () => client.config.systemClockOffset,
    async close() {
      client.destroy();
      inside.destroy();
    },
  };
}

function createClient(settings: S3Settings, endpoint: string | undefined, stallMs: number): S3Client {
  const { region = "us-east-1", credentials, ca, pathStyle = endpoint !== undefined } = settings;
  const agent = { keepAlive: true, proxyEnv: process.env };
  return new S3Client({
    region,
    forcePathStyle: pathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    followRegionRedirects: false,
    maxAttempts: 1, // we do the waiting, for all stores alike
    requestHandler: {
      connectionTimeout: Math.min(stallMs, 15_000),
      socketTimeout: stallMs,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ...(ca === undefined ? {} : { ca }) }),
    },
  });
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof S3ServiceException &&
    error.$metadata.httpStatusCode === 404 &&
    (error.name === "NoSuchKey" || error.name === "NotFound")
  );
}

/** Some servers know no DeleteObjects, or want other checksums with it than we send. */
function takesNoLists(error: unknown): boolean {
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  return status === 400 || status === 405 || status === 411 || status === 501;
}

/** What the SDK hangs on errors of all kinds, also those of answers that it could not understand. */
const spokenSchema = z.object({
  $metadata: z
    .object({ httpStatusCode: z.number().optional(), clockSkewCorrected: z.boolean().optional() })
    .optional(),
  $response: z
    .object({ statusCode: z.number().optional(), headers: z.record(z.string(), z.string()).optional() })
    .optional(),
});

function judge(error: unknown, doing: Doing, place: string): StoreTrouble {
  if (error instanceof StoreTrouble || !(error instanceof Error)) return networkTrouble(error, place);
  if (error.name === "CredentialsProviderError")
    return new StoreTrouble(noCredentials(place, error), "never");
  const { $metadata, $response } = spokenSchema.safeParse(error).data ?? {};
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  if (status === undefined) return networkTrouble(error, place);
  // an answer that ends in the middle of its words says nothing about us
  if (status < 300) return damaged(place, `an answer that is not to be understood: ${error.message}`);
  const trouble = s3Trouble({
    place,
    doing,
    status,
    code: error instanceof S3ServiceException ? error.name : "",
    message: error.message,
    retryAfterMs: readRetryAfter($response?.headers?.["retry-after"]),
  });
  // The SDK has learnt the store's time from the answer: signed by that, the next attempt is good.
  if ($metadata?.clockSkewCorrected === true && status < 500) return new StoreTrouble(trouble.error, "now");
  return trouble;
}

function noCredentials(place: string, cause: Error): AutochromeError {
  return new AutochromeError(
    "storage-denied",
    `There is no key for the ${place}.`,
    "Enter key and secret in the settings, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    { cause },
  );
}
