// Everything that can be wrong, looked at one after the other: what `doctor` and the window's report tell.
// Must never: change anything, or print.
import { existsSync } from "node:fs";
import { access, constants, statfs } from "node:fs/promises";
import { arch, cpus, freemem, homedir, platform, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { checkLibrary } from "../app/catalogue/index.ts";
import { type Config, configFile, type Logger, SOFTWARE, toErrorRecord } from "../app/kernel/index.ts";
import { openModelStore, verifyModel } from "../app/modelstore/index.ts";
import { deviceInWords, examineDevices } from "./devices.ts";

export interface HealthFinding {
  readonly about: string;
  readonly ok: boolean;
  readonly found: string;
  readonly next?: string;
  /** Raw words, for whoever reads the report. */
  readonly detail?: string;
}

export interface HealthOptions {
  readonly config: Config;
  readonly libraryFolder: string;
  readonly log: Logger;
  /** Hears of a device before it is tried. */
  readonly onProbe?: (device: string) => void;
}

/** Looks at everything; what goes wrong while looking is a finding too. */
export async function* examineHealth(options: HealthOptions): AsyncGenerator<HealthFinding> {
  const { config, libraryFolder: folder } = options;
  yield { about: "program", ok: true, found: `${SOFTWARE}, Node ${process.versions.node}` };
  yield {
    about: "computer",
    ok: true,
    found: `${platform()} ${release()} ${arch()}, ${cpus().length} cores, ${gib(freemem())} of ${gib(totalmem())} memory free`,
  };
  const settings = configFile();
  yield {
    about: "settings",
    ok: true,
    found: existsSync(settings) ? settings : `${settings} (none; standard values)`,
  };
  for (const model of openModelStore(config.models).list()) {
    const state = await verifyModel(model);
    yield {
      about: `model ${model.id}`,
      ok: state === "intact",
      found: state,
      ...(state === "intact"
        ? {}
        : { next: "Fetch or import it again; where it came with the program, install Autochrome again." }),
    };
  }
  yield* await devicesFound(options);
  yield await roomIn("temporary folder", tmpdir());
  if (!existsSync(join(folder, "library.db"))) {
    yield { about: "library", ok: true, found: `${folder} (none yet; \`autochrome import\` makes it)` };
    return;
  }
  yield await roomIn("library", folder);
  yield* await checkLibrary(folder).catch((thrown) => {
    const error = toErrorRecord(thrown, folder);
    return [{ about: "library database", ok: false, found: error.message, next: error.next }];
  });
}

/** A finding as lines of a report; `detail` is told as it is. */
export function findingInWords({ about, ok, found, next, detail }: HealthFinding): string[] {
  return [
    `${ok ? "✓" : "✗"} ${about}: ${found}`,
    ...(next === undefined ? [] : [`    ${next}`]),
    ...(detail?.split("\n").map((line) => `    | ${line}`) ?? []),
  ];
}

/** A text with the user's home folder written as "~", to show it to others. */
export function withoutHome(text: string, home: string = homedir()): string {
  if (home.length < 2) return text;
  const escaped = home.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const name = String.raw`[\p{L}\p{N}_.-]`; // another folder, whose path only begins or ends with it
  return text.replaceAll(new RegExp(`(?<!${name})${escaped}(?!${name})`, "gu"), "~");
}

/** Only what colours photos has to work; the other devices are told as they are. */
async function devicesFound({ config, log, onProbe }: HealthOptions): Promise<HealthFinding[]> {
  try {
    const { reports, used, error } = await examineDevices(config, log, onProbe);
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

async function roomIn(about: string, folder: string): Promise<HealthFinding> {
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
