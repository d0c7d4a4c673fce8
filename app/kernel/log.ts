// Structured logging. Owns: the one logger and where it writes. Must never: write to stdout, which belongs to
// the command line's machine output.
import { type DestinationStream, destination, type Logger, pino } from "pino";

export type { Logger } from "pino";

/**
 * JSON lines to stderr, or to a file. Bind what a line is about: `log.child({ batch, item })`; every line of a
 * batch carries both ids.
 */
export function createLogger(
  level: string,
  target: DestinationStream | string | undefined = undefined,
): Logger {
  const stream =
    typeof target === "object" ? target : destination({ dest: target ?? 2, sync: true, mkdir: true });
  return pino({ level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}

/** A logger that says nothing, for tests and for callers that do not care. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
