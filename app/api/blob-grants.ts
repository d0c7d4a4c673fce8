// Tokens that reach some blobs for a while: what a pod has instead of the service's key.
//
// Owns: the secret that signs them (a file of its own in the data folder), and what a token permits.
// Must never: permit what it was not given for, or let a token make another one.
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { isKey, isPrefix } from "../cluster/index.ts";
import { AutochromeError, newId, writeAtomically } from "../kernel/index.ts";
import type { TokenVerdict } from "./tokens.ts";

/** Keys, or what keys begin with when it ends in "/". What may be written may be read. */
export interface BlobScope {
  readonly read: readonly string[];
  readonly write: readonly string[];
}

export interface BlobGrants {
  issue(scope: BlobScope, seconds: number): Promise<{ readonly token: string; readonly expires: string }>;
  /** @returns undefined for what is no token of ours */
  judge(token: string): Promise<TokenVerdict | undefined>;
}

const ALGORITHM = "HS256";
const AUDIENCE = "autochrome-blobs";
const SECRET_BYTES = 32;

const name = z.string().refine((text) => isKey(text) || (isPrefix(text) && text.endsWith("/")), {
  message: 'neither a key nor the beginning of keys that ends in "/"',
});
export const scopeSchema = z.object({ read: z.array(name).max(100), write: z.array(name).max(100) });

export function mayRead(scope: BlobScope, key: string): boolean {
  return covers(scope.read, key) || mayWrite(scope, key);
}

export function mayWrite(scope: BlobScope, key: string): boolean {
  return covers(scope.write, key);
}

function covers(names: readonly string[], key: string): boolean {
  return names.some((given) => (given.endsWith("/") ? key.startsWith(given) : key === given));
}

/** @param root the data folder; the secret is made there the first time */
export async function openBlobGrants(root: string): Promise<BlobGrants> {
  const secret = await secretIn(join(root, "blob-grants.key"));
  return {
    async issue(scope, seconds) {
      const until = Math.floor(Date.now() / 1000) + seconds;
      const token = await new SignJWT({ read: scope.read, write: scope.write })
        .setProtectedHeader({ alg: ALGORITHM })
        .setAudience(AUDIENCE)
        .setJti(newId())
        .setExpirationTime(until)
        .sign(secret);
      return { token, expires: new Date(until * 1000).toISOString() };
    },
    async judge(token) {
      if (!isOurs(token)) return undefined;
      try {
        const { payload } = await jwtVerify(token, secret, {
          algorithms: [ALGORITHM],
          audience: AUDIENCE,
          requiredClaims: ["exp", "jti"],
        });
        const scope = scopeSchema.parse(payload);
        return {
          kind: "known",
          identity: `grant:${payload.jti ?? ""}`,
          expiresAt: (payload.exp ?? 0) * 1000,
          scope,
        };
      } catch (error) {
        return { kind: "unknown", why: error instanceof errors.JWTExpired ? "expired" : "wrong" };
      }
    },
  };
}

/** An identity provider's tokens have other algorithms: those of tokens.ts. */
function isOurs(token: string): boolean {
  try {
    return decodeProtectedHeader(token).alg === ALGORITHM;
  } catch {
    return false;
  }
}

async function secretIn(path: string): Promise<Uint8Array> {
  try {
    await writeAtomically(path, { overwrite: false }, (temporary) =>
      writeFile(temporary, randomBytes(SECRET_BYTES).toString("base64url"), { mode: 0o600, flag: "wx" }),
    );
  } catch (error) {
    // there since last time, or another process on the same folder was faster
    if (!(error instanceof AutochromeError && error.code === "output-exists")) throw error;
  }
  const secret = Buffer.from(await readFile(path, "utf8"), "base64url");
  if (secret.length === SECRET_BYTES) return secret;
  throw new AutochromeError(
    "usage",
    `${path} is damaged.`,
    "Remove it: a new one is made, and permissions that were given for blobs end.",
  );
}
