// Tries the suggestion of presets on photographs that somebody labelled by looking at them, and prints the tables of
// models/subject/README.md: `node main/docs/suggestions.ts [FOLDER with the unpacked train256 photographs]`.
// Must never: decide what is right; models/subject/trial.json does.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { silentLogger } from "../../app/kernel/index.ts";
import { createSuggester, type Suggestion } from "../../app/suggest/index.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PRESETS = ["portrait", "group", "building", "quick"];
/** A file's name, and the presets that suit it: one, or several with "/" where either does. */
const trialSchema = z.record(z.string(), z.record(z.string(), z.string()));

interface Tried extends Suggestion {
  readonly name: string;
  readonly truth: readonly string[];
}

const trial = trialSchema.parse(JSON.parse(await readFile(join(ROOT, "models/subject/trial.json"), "utf8")));
const folders: Readonly<Record<string, string | undefined>> = {
  samples: join(ROOT, "main/demo/samples"),
  old: join(ROOT, "../shared/photos/old"),
  fresh: process.argv[2],
  tuned: process.argv[2],
  buildings: process.argv[2],
};
const suggester = createSuggester({ threads: 1, limits: { maxMegapixels: 600 }, log: silentLogger() });

for (const [set, labels] of Object.entries(trial)) {
  const folder = folders[set];
  if (folder === undefined || !existsSync(folder)) {
    print(`${set}: the photographs are not here.\n`);
    continue;
  }
  const tried: Tried[] = [];
  for (const [name, truth] of Object.entries(labels)) {
    tried.push({ name, truth: truth.split("/"), ...(await suggester.presetFor(join(folder, name))) });
  }
  report(set, tried);
}
suggester.close();

function report(set: string, tried: readonly Tried[]): void {
  const right = tried.filter(isRight).length;
  print(`## ${set}: ${right} of ${tried.length} right\n`);
  const told = tried.length <= 20 ? tried : tried.filter((one) => !isRight(one));
  print("| photo | truth | suggestion | confidence | faces | lines | |", "|---|---|---|---|---|---|---|");
  for (const one of told) {
    const { name, truth, preset, confidence, faces, straightness } = one;
    const numbers = [confidence.toFixed(2), faces.length, straightness.toFixed(3)];
    print(
      `| ${[`\`${name}\``, truth.join(" or "), preset, ...numbers, isRight(one) ? "right" : "wrong"].join(" | ")} |`,
    );
  }
  print("", `| truth \\ suggestion | ${PRESETS.join(" | ")} |`, "|---|---|---|---|---|");
  for (const truth of PRESETS) {
    const counts = PRESETS.map((preset) =>
      tried.filter((one) => meant(one) === truth && one.preset === preset),
    );
    print(`| ${[truth, ...counts.map((some) => some.length)].join(" | ")} |`);
  }
  print("");
}

function isRight({ truth, preset }: Tried): boolean {
  return truth.includes(preset);
}

/** The row in which a photograph is counted: where several presets suit it, the suggested one if that is among them. */
function meant(one: Tried): string {
  return isRight(one) ? one.preset : one.truth[0]!;
}

function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}
