// What the service answers when it will not do something: {"error": {code, message, next}} with a fitting status.
// Owns: which failure gets which status. Must never: let a path or a stack out of the house.
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { AutochromeError, type ErrorCode, toErrorRecord } from "../kernel/index.ts";

/** Failures that only a service has; the rest are the engine's own codes. */
export type ProblemCode =
  | ErrorCode
  | "bad-request"
  | "unauthorized"
  | "forbidden"
  | "too-large"
  | "rate-limited"
  | "unavailable"
  | "SERVICE_DISABLED"; // ComfyUI's own word

export interface Problem {
  readonly status: ContentfulStatusCode;
  readonly code: ProblemCode;
  /** One sentence for people. */
  readonly message: string;
  /** What can be done about it. */
  readonly next: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function problemBody({ code, message, next }: Problem): string {
  return JSON.stringify({ error: { code, message, next } });
}

export function problemResponse(problem: Problem): Response {
  return new Response(problemBody(problem), {
    status: problem.status,
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store", ...problem.headers },
  });
}

/** A problem as something to throw; the service answers with it. */
export function refusal(problem: Problem): HTTPException {
  return new HTTPException(problem.status, { res: problemResponse(problem), message: problem.message });
}

export function badRequest(message: string, next = "Correct the request and send it again."): HTTPException {
  return refusal({ status: 400, code: "bad-request", message, next });
}

export function notFound(message = "There is nothing here.", next = "Check the address."): HTTPException {
  return refusal({ status: 404, code: "not-found", message, next });
}

const STATUS: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  usage: 400,
  "path-outside": 400,
  "empty-file": 400,
  "not-an-image": 400,
  "damaged-image": 400,
  "unsupported-image": 400,
  "image-too-large": 400,
  "workflow-invalid": 400,
  "not-found": 404,
  "model-missing": 404,
  "output-exists": 409,
  "model-damaged": 409,
  "model-unfit": 400,
  "pack-invalid": 400,
  "no-network": 502,
  "download-failed": 502,
  "library-busy": 503,
  "storage-damaged": 422,
  "disk-full": 507,
};

/** What the system says where a request asks for something that cannot be, a file as a folder for instance. */
const SYSTEM_STATUS: Readonly<Record<string, ContentfulStatusCode>> = {
  ENOENT: 404,
  ENOTDIR: 400,
  EISDIR: 400,
  EEXIST: 400,
  ENAMETOOLONG: 400,
  ECONNRESET: 400, // nobody is there to hear it
};

/** Anything thrown, as what the client hears. Details stay in the log. */
export function problemFrom(thrown: unknown): Problem {
  const { code, message, next } = toErrorRecord(thrown, "this request");
  if (thrown instanceof AutochromeError) return { status: STATUS[code] ?? 500, code, message, next };
  if (code === "disk-full") return { status: 507, code, message, next };
  const status = SYSTEM_STATUS[thrown instanceof Error && "code" in thrown ? String(thrown.code) : ""];
  if (status === 404)
    return { status, code: "not-found", message: "This is not there.", next: "Check its name." };
  if (status !== undefined)
    return {
      status,
      code: "bad-request",
      message: "This name cannot be used here.",
      next: "Use another one.",
    };
  return {
    status: 500,
    code: "internal",
    message: "Something went wrong inside Autochrome.",
    next: "Try again; if it happens again, look into the service's log.",
  };
}
