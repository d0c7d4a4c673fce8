// The settings file: where it is, what stands in it, and changing some of it.
//
// Owns: that file. Must never: know what a setting means: config.ts judges before anything is written.
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { writeFileAtomically } from "./atomic.ts";
import { AutochromeError } from "./errors.ts";
import { configFolder } from "./paths.ts";

/** Where the settings file is: `AUTOCHROME_CONFIG`, else config.json in the user's config folder. */
export function configFile(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.AUTOCHROME_CONFIG ?? join(configFolder(), "config.json");
}

/** What stands in the file; nothing where there is none. @throws AutochromeError "usage" where it is no JSON object */
export function readSettings(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return {};
    throw error;
  }
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (cause) {
    throw new AutochromeError(
      "usage",
      `The settings file ${path} is not valid JSON.`,
      "Correct or remove it.",
      {
        cause,
      },
    );
  }
}

let last: Promise<unknown> = Promise.resolve();

/**
 * Changes settings in the file, one change after the other, and leaves all others as they are.
 * @param changes undefined takes a setting out
 * @param judge throws where the file must not become what it is given
 */
export function changeSettingsFile(
  path: string,
  changes: Readonly<Record<string, unknown>>,
  judge: (settings: Readonly<Record<string, unknown>>) => void,
): Promise<void> {
  const run = last.then(async () => {
    const settings = { ...readSettings(path), ...changes };
    judge(Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)));
    await mkdir(dirname(path), { recursive: true });
    // Keys may stand in it, so that it is its owner's only.
    await writeFileAtomically(path, `${JSON.stringify(settings, null, 2)}\n`, {
      overwrite: true,
      mode: 0o600,
    });
  });
  last = run.catch(() => undefined);
  return run;
}
