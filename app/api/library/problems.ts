// Failures in the form that windows get. Must never: tell what is meant for a log only.
import { type ErrorRecord, toErrorRecord } from "../../kernel/index.ts";
import { type Problem as Refusal, refusal } from "../answers.ts";
import type { Problem } from "./contract.ts";

/** Anything thrown. @param about the file or thing that was being worked on */
export function problemOf(thrown: unknown, about?: string): Problem {
  return plain(toErrorRecord(thrown, about));
}

/** An error without its detail. */
export function plain({ code, message, next }: ErrorRecord): Problem {
  return { code, message, next };
}

export function forbidden(message: string, next: string, code: Refusal["code"] = "forbidden") {
  return refusal({ status: 403, code, message, next });
}
