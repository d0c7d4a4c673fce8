// Who is asking: API keys, JWTs of an identity provider, and the cookie that a browser gets for one of these.
//
// Owns: comparing and verifying. Must never: log a token, or compare one in a time that depends on how much is right.
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import type { BlobScope } from "./blob-grants.ts";

export interface JwtSettings {
  /** Where the provider's public keys are. */
  readonly jwksUrl: string;
  readonly audience: string;
  readonly issuer: string;
}

/**
 * "unavailable": the identity provider cannot be asked just now. `expiresAt` is in milliseconds since 1970; 0: it does
 * not expire.
 */
export type TokenVerdict =
  | {
      readonly kind: "known";
      readonly identity: string;
      readonly expiresAt: number;
      /** All that it is good for; see blob-grants.ts. Absent: everything. */
      readonly scope?: BlobScope;
    }
  | { readonly kind: "unknown"; readonly why: "wrong" | "expired" }
  | { readonly kind: "unavailable" };

/** How long a browser stays signed in, in milliseconds. */
export const SESSION_MS = 12 * 60 * 60 * 1000;
/** The same for a service of this computer's only: a window may stay open for weeks, and it ends with this process anyway. */
export const LOCAL_SESSION_MS = 30 * 24 * 60 * 60 * 1000;
/** Signatures with a secret that both sides share make no sense with public keys; "none" even less. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

/** Judges tokens. @returns undefined when there is nothing to judge by: everybody is welcome */
export function createTokenJudge(settings: {
  readonly apiKey?: string | undefined;
  readonly jwt?: JwtSettings | undefined;
}): ((token: string) => Promise<TokenVerdict>) | undefined {
  const { apiKey, jwt } = settings;
  if (apiKey === undefined && jwt === undefined) return undefined;
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = apiKey === undefined ? undefined : digest(apiKey);
  const keys =
    jwt === undefined
      ? undefined
      : createRemoteJWKSet(new URL(jwt.jwksUrl), { timeoutDuration: 5000, cooldownDuration: 10_000 });

  return async (token) => {
    if (expected !== undefined && timingSafeEqual(expected, digest(token))) {
      return { kind: "known", identity: "key", expiresAt: 0 };
    }
    if (keys === undefined || jwt === undefined || token.split(".").length !== 3)
      return { kind: "unknown", why: "wrong" };
    try {
      const { payload } = await jwtVerify(token, keys, {
        audience: jwt.audience,
        issuer: jwt.issuer,
        algorithms: ALGORITHMS,
        requiredClaims: ["exp"],
        clockTolerance: 30,
      });
      return { kind: "known", identity: `jwt:${payload.sub ?? ""}`, expiresAt: (payload.exp ?? 0) * 1000 };
    } catch (error) {
      if (error instanceof errors.JWTExpired) return { kind: "unknown", why: "expired" };
      return isOurFault(error) ? { kind: "unavailable" } : { kind: "unknown", why: "wrong" };
    }
  };
}

/** Whether the keys could not be had, as opposed to a token that is wrong. */
function isOurFault(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true; // no connection
  // jose says "expected 200 OK" and "failed to parse" in its general error
  return (
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    error.code === "ERR_JOSE_GENERIC"
  );
}

export interface Sessions {
  /** A cookie's value that stands for an identity, as long as sessions last or until the time; 0: no time. */
  issue(identity: string, expiresAt: number): { readonly value: string; readonly seconds: number };
  read(value: string): { readonly identity: string; readonly expiresAt: number } | undefined;
}

/**
 * Sessions that hold as long as this process runs at most: nothing is stored, the secret is made anew each time.
 * @param lastMs milliseconds that one lasts
 */
export function createSessions(lastMs: number): Sessions {
  const secret = randomBytes(32);
  const sign = (text: string) => createHmac("sha256", secret).update(text).digest();
  return {
    issue(identity, expiresAt) {
      const until = Math.min(expiresAt || Number.POSITIVE_INFINITY, Date.now() + lastMs);
      const text = Buffer.from(JSON.stringify([identity, until])).toString("base64url");
      return {
        value: `${text}.${sign(text).toString("base64url")}`,
        seconds: Math.floor((until - Date.now()) / 1000),
      };
    },
    read(value) {
      const [text = "", signature = ""] = value.split(".");
      const given = Buffer.from(signature, "base64url");
      const right = sign(text);
      if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
      const [identity, expiresAt]: [string, number] = JSON.parse(Buffer.from(text, "base64url").toString());
      return Date.now() < expiresAt ? { identity, expiresAt } : undefined;
    },
  };
}
