// Where a job's files lie, the same whichever executor makes them. Must never: touch a file.
import { extname } from "node:path";
import { extensionFor, matchesExtension, type OutputFormat } from "../../imaging/index.ts";

/** The target, with another extension where its own does not fit the format. */
export function resultPath(target: string, format: OutputFormat): string {
  return matchesExtension(format, target) ? target : stemOf(target) + extensionFor(format);
}

/** Where the network's colours of a result are kept. */
export function coloursPath(target: string): string {
  return `${stemOf(target)}.colours.png`;
}

function stemOf(path: string): string {
  return path.slice(0, path.length - extname(path).length);
}
