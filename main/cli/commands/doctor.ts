// `doctor`: looks at everything that can be wrong, changes nothing, and prints a report to paste into an issue.
import { existsSync } from "node:fs";
import { access, constants, statfs } from "node:fs/promises";
import { arch, cpus, freemem, platform, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { checkLibrary } from "../../../app/catalogue/index.ts";
import { configFile, SOFTWARE, toErrorRecord } from "../../../app/kernel/index.ts";
import { openModelStore, verifyModel } from "../../../app/modelstore/index.ts";
import { createEngine, type Engine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { type Output, printable } from "../output.ts";
import { deviceInWords, examineDevices } from "./devices.ts";

interface Finding {
  readonly about: string;
  readonly ok: boolean;
  readonly found: string;
  readonly next?: string;
  /** Raw words, for whoever reads the report. */
  readonly detail?: string;
}

export async function doctor(flags: { readonly library?: string }, output: Output): Promise<number> {
  const engine = createEngine({ library: flags.library });
  let bad = 0;
  const report = (finding: Finding) => {
    if (!finding.ok) bad++;
    output.line(finding);
    output.result(`${finding.ok ? "✓" : "✗"} ${finding.about}: ${finding.found}`);
    if (finding.next !== undefined) output.result(`    ${finding.next}`);
    for (const line of finding.detail?.split("\n") ?? []) output.result(`    | ${printable(line)}`);
  };
  try {
    report({ about: "program", ok: true, found: `${SOFTWARE}, Node ${process.versions.node}` });
    report({
      about: "computer",
      ok: true,
      found: `${platform()} ${release()} ${arch()}, ${cpus().length} cores, ${gib(freemem())} of ${gib(totalmem())} memory free`,
    });
    const settings = configFile();
    report({
      about: "settings",
      ok: true,
      found: existsSync(settings) ? settings : `${settings} (none; standard values)`,
    });
    for (const model of openModelStore(engine.config.models).list()) {
      const state = await verifyModel(model);
      report({
        about: `model ${model.id}`,
        ok: state === "intact",
        found: state,
        ...(state === "intact"
          ? {}
          : { next: "Fetch or import it again; where it came with the program, install Autochrome again." }),
      });
    }
    for (const finding of await devicesFound(engine, output)) report(finding);
    report(await roomIn("temporary folder", tmpdir()));
    const folder = engine.libraryFolder;
    if (!existsSync(join(folder, "library.db"))) {
      report({ about: "library", ok: true, found: `${folder} (none yet; \`autochrome import\` makes it)` });
    } else {
      report(await roomIn("library", folder));
      for (const finding of await checkLibrary(folder).catch((thrown) => {
        const error = toErrorRecord(thrown, folder);
        return [{ about: "library database", ok: false, found: error.message, next: error.next }];
      })) {
        report(finding);
      }
    }
    output.summary({ problems: bad }, bad === 0 ? "Everything is in order." : `${bad} to look at.`);
    return bad === 0 ? EXIT.ok : EXIT.failed;
  } finally {
    await engine.close();
  }
}

/** Only what colours photos has to work; the other devices are told as they are. */
async function devicesFound({ config, log }: Engine, output: Output): Promise<Finding[]> {
  try {
    const { reports, used, error } = await examineDevices(config, log, output);
    const working =
      error === undefined
        ? { ok: true, found: `photos are coloured on ${used} (device: ${config.device})` }
        : { ok: false, found: error.message, next: error.next };
    return [
      ...reports.map((report) => ({
        about: `device ${report.device}`,
        ok: report.works || report.device !== "cpu",
        found: report.works ? `works: ${deviceInWords(report)}` : `does not work: ${deviceInWords(report)}`,
        ...(report.detail === undefined ? {} : { detail: report.detail }),
      })),
      { about: "device", ...working },
    ];
  } catch (thrown) {
    const error = toErrorRecord(thrown, "the devices");
    return [{ about: "devices", ok: false, found: error.message, next: error.next }];
  }
}

async function roomIn(about: string, folder: string): Promise<Finding> {
  try {
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    return free > 1e9
      ? { about, ok: true, found: `${folder}, ${gib(free)} free` }
      : { about, ok: false, found: `${folder}, only ${gib(free)} free`, next: "Free some space." };
  } catch (thrown) {
    const error = toErrorRecord(thrown, folder);
    return { about, ok: false, found: error.message, next: error.next };
  }
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
