// Which program this is. Owns: reading it from the package's own description.
import { readFileSync } from "node:fs";
import { z } from "zod";

/** "0.1.0" */
export const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))).version;

/** "Autochrome 0.1.0", as it is written into records and results. */
export const SOFTWARE = `Autochrome ${VERSION}`;
