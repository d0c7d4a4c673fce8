// The pictures of the presets, as editors show them among their templates: left as it was, right as the preset makes it.
// Run `npm run -s preset-pictures` after a preset or the embedded model has changed.
// Owns: workflows/*.jpg. Must never: show anything that the program does not do.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp, { type Sharp } from "sharp";
import { listPresets } from "../../app/workflow/index.ts";

const run = promisify(execFile);
const SIDE = 400;
const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** Which sample shows what a preset is for. */
const SAMPLES: Readonly<Record<string, string>> = {
  portrait: "grace-hopper.jpg",
  building: "lookout-tower.jpg",
  quick: "raccoon.jpg",
  faded: "eileen-collins.jpg",
  newspaper: "chelsea.jpg",
  group: "photographer.jpg",
  variants: "coffee.jpg",
};

/** A sample as the photos that a preset is for look. */
async function photoFor(alias: string, sample: string): Promise<Sharp> {
  const photo = sharp(path(`main/demo/samples/${sample}`)).resize(2 * SIDE, 2 * SIDE, { fit: "cover" });
  if (alias === "faded") return photo.linear(0.4, 110);
  if (alias !== "newspaper") return photo;
  // Printed dots: the grey level against a wave in two directions at 45 degrees.
  const { data, info } = await photo.greyscale().raw().toBuffer({ resolveWithObject: true });
  const dots = data.map((level, i) => {
    const [x, y] = [i % info.width, Math.floor(i / info.width)];
    const wave = Math.cos((Math.PI * (x + y)) / 5) + Math.cos((Math.PI * (x - y)) / 5);
    return Math.min(255, Math.max(0, 128 + 3 * (level - 128 + 45 * wave)));
  });
  return sharp(dots, { raw: { width: info.width, height: info.height, channels: 1 } });
}

const folder = await mkdtemp(join(tmpdir(), "autochrome-presets-"));
try {
  for (const { alias } of listPresets()) {
    const before = join(folder, `${alias}.png`);
    await (await photoFor(alias, SAMPLES[alias] ?? "raccoon.jpg")).png().toFile(before);
    await run(process.execPath, [
      path("main/cli/autochrome.ts"),
      ...["colorize", before, "--out", join(folder, "out"), "--workflow", alias],
    ]);
    const fit = alias === "variants" ? "contain" : "cover";
    const picture = (file: string) => sharp(file).resize(SIDE, SIDE, { fit, background: "#ffffff" });
    const after = picture(join(folder, "out", `${alias}.png`));
    if (alias !== "variants") {
      const half = { left: 0, top: 0, width: SIDE / 2, height: SIDE };
      after.composite([{ input: await picture(before).extract(half).toBuffer(), left: 0, top: 0 }]);
    }
    await after.jpeg({ quality: 82, mozjpeg: true }).toFile(path(`workflows/${alias}.jpg`));
  }
} finally {
  await rm(folder, { recursive: true });
}
