// `backup` and `restore`: the library's database, safe and back again.
import { join, resolve } from "node:path";
import { backupLibrary, restoreLibrary } from "../../../app/catalogue/index.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import type { Output } from "../output.ts";

export async function backup(
  file: string | undefined,
  flags: { readonly library?: string },
  output: Output,
): Promise<number> {
  const engine = createEngine({ library: flags.library });
  try {
    const library = await engine.library();
    const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
    const target =
      file === undefined ? join(library.folder, "backups", `library-${stamp}.db`) : resolve(file);
    await backupLibrary(library, target);
    output.summary({ backup: target }, `The library's database is saved in ${target}.`);
    return EXIT.ok;
  } finally {
    await engine.close();
  }
}

export async function restore(
  file: string,
  flags: { readonly library?: string },
  output: Output,
): Promise<number> {
  const engine = createEngine({ library: flags.library });
  try {
    const kept = await restoreLibrary(engine.libraryFolder, resolve(file));
    output.summary(
      { restored: resolve(file), kept: kept ?? null },
      kept === undefined
        ? "The backup is in place."
        : `The backup is in place; the former database is ${kept}.`,
    );
    return EXIT.ok;
  } finally {
    await engine.close();
  }
}
