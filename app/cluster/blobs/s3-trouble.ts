// What S3 stores say when they will not, by the codes that all of them share. Owns: those codes.
// Must never: quote a store's own words as the sentence: they are for developers and go into the detail.
import { AutochromeError } from "../../kernel/index.ts";
import {
  clockWrong,
  type Doing,
  damaged,
  expired,
  notPermitted,
  StoreTrouble,
  statusTrouble,
  storageFull,
  unknownKey,
} from "./trouble.ts";

export interface Refusal {
  readonly place: string;
  readonly doing: Doing;
  readonly status: number;
  /** The store's code: "NoSuchBucket"; empty where it gave none (an answer to HEAD has no body). */
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export function s3Trouble({ place, doing, status, code, message, retryAfterMs }: Refusal): StoreTrouble {
  const detail = { detail: `${status} ${code} ${message}`.trim() };
  const never = (error: AutochromeError) => new StoreTrouble(error, "never");
  switch (code) {
    case "NoSuchBucket":
      return never(
        new AutochromeError(
          "storage-denied",
          `There is no such thing as the ${place}.`,
          "Check the bucket's name and the address in the settings, or make the bucket.",
          detail,
        ),
      );
    case "InvalidAccessKeyId":
    case "XAdminUserNotFound": // versitygw's word for it
    case "SignatureDoesNotMatch":
    case "InvalidToken":
    case "TokenRefreshRequired":
      return never(unknownKey(place, detail));
    case "ExpiredToken":
    case "RequestExpired":
      return never(expired(place, detail));
    case "RequestTimeTooSkewed":
    case "RequestInTheFuture":
    case "AccessDeniedForSkew":
      return never(clockWrong(place, detail));
    case "AccessDenied":
    case "AllAccessDisabled":
    case "AccountProblem":
      // the same code for an address whose time is over, and on some stores for a wrong clock
      if (/expired/i.test(message)) return never(expired(place, detail));
      if (/request time/i.test(message)) return never(clockWrong(place, detail));
      return never(notPermitted(place, doing, detail));
    case "PermanentRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException":
      return never(
        new AutochromeError(
          "storage-denied",
          `The ${place} is in another region.`,
          "Correct the region in the settings.",
          detail,
        ),
      );
    case "BadDigest":
    case "InvalidDigest":
    case "XAmzContentSHA256Mismatch":
    case "XAmzContentChecksumMismatch":
    case "IncompleteBody":
    case "InvalidRange":
      return damaged(place, detail.detail);
    case "QuotaExceeded":
    case "InsufficientCapacity":
    case "XMinioStorageFull":
    case "StorageFull":
    case "EntityTooLarge":
      return never(storageFull(place, detail));
    case "NoSuchUpload":
    case "InvalidPart":
    case "RequestTimeout":
    case "OperationAborted":
      return new StoreTrouble(statusTrouble(500, { place, doing, ...detail }).error, "later", retryAfterMs);
    case "SlowDown":
    case "TooManyRequests":
    case "Throttling":
      return statusTrouble(503, { place, doing, retryAfterMs, ...detail });
    default:
      return statusTrouble(status, { place, doing, retryAfterMs, ...detail });
  }
}
