// Peak memory of colouring one photo, beyond what the process takes before it: at 12, 50 and 200 megapixels, 8 and 16 bit.
// Each in a process of its own, with made chroma instead of a network: what is measured is beyond the model.
// Runs on Linux: the peak comes from /proc.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import sharp from "sharp";
import {
  closeMetadata,
  createPixelWorkers,
  scratchFilesOf,
  writeResultMetadata,
} from "../../app/imaging/index.ts";

const NETWORK_SIDE = 512;

export interface MemoryFigures {
  readonly name: string;
  readonly megapixels: number;
  readonly bitDepth: 8 | 16;
  readonly peakMiB: number;
}

const CASES = [
  { width: 4000, height: 3000 },
  { width: 8660, height: 5774 },
  { width: 17_320, height: 11_547 },
] as const;

/** Peak memory of every case. */
export async function benchMemory(): Promise<MemoryFigures[]> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-memory-"));
  const figures: MemoryFigures[] = [];
  try {
    for (const { width, height } of CASES) {
      for (const bitDepth of [8, 16] as const) {
        const source = join(folder, bitDepth === 8 ? "photo.jpg" : "photo.tif");
        await makePhoto(source, width, height, bitDepth);
        const script = fileURLToPath(import.meta.url);
        const { stdout } = await promisify(execFile)(process.execPath, [script, source]);
        const { peakMiB } = JSON.parse(stdout) as { peakMiB: number };
        figures.push({
          name: bitDepth === 8 ? "JPEG → JPEG" : "TIFF → TIFF",
          megapixels: Math.round((width * height) / 1e6),
          bitDepth,
          peakMiB,
        });
        await rm(source);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return figures;
}

/** A grey photograph with structure and metadata, as a scanner writes it. */
async function makePhoto(path: string, width: number, height: number, bitDepth: 8 | 16): Promise<void> {
  const side = 512;
  const tile = await sharp({
    create: {
      width: side,
      height: side,
      channels: 3,
      background: "#888",
      noise: { type: "gaussian", mean: 128, sigma: 30 },
    },
  })
    .greyscale()
    .blur(1)
    .png()
    .toBuffer();
  const image = sharp(tile, { limitInputPixels: false })
    .extend({
      right: Math.max(0, width - side),
      bottom: Math.max(0, height - side),
      extendWith: "mirror",
    })
    .withExif({ IFD0: { ImageDescription: "A scan" } });
  await (bitDepth === 8
    ? image.jpeg({ quality: 90 }).toFile(path)
    : image.pipelineColourspace("grey16").toColourspace("grey16").tiff({ compression: "lzw" }).toFile(path));
}

/** In the child: colours a small photo, then the one in question, and prints by how much memory grew. */
async function measure(source: string): Promise<void> {
  const workers = createPixelWorkers({ threads: 1, limits: { maxMegapixels: 600 } });
  const folder = await mkdtemp(join(tmpdir(), "autochrome-memory-"));
  try {
    const small = join(folder, "small.jpg");
    await makePhoto(small, 600, 600, 8);
    const colour = async (photo: string) => {
      const target = join(folder, photo.endsWith(".tif") ? "out.tif" : "out.jpg");
      const size = { width: NETWORK_SIDE, height: NETWORK_SIDE };
      const picture = await workers.load(photo, target);
      const grey = await workers.networkInput(picture, { ...size, parity: false });
      const data = Float32Array.from({ length: 2 * NETWORK_SIDE ** 2 }, (_, i) => 25 * Math.sin(i / 991));
      const how = { colorFactor: 1, upsample: "edge-aware", gamut: "chroma" } as const;
      const coloured = await workers.layChroma(picture, { data, ...size }, grey, how, target);
      const format = photo.endsWith(".tif") ? "tiff" : "jpeg";
      const result = await workers.save(coloured, target, { format, quality: 100 });
      for (const path of scratchFilesOf([picture, coloured])) await rm(path);
      await writeResultMetadata(photo, target, result, {
        software: "bench",
        model: "none",
        modelSha256: "",
        device: "none",
        parameters: {},
        createdAt: "2026-01-01T00:00:00.000Z",
      });
      if ((await stat(target)).size === 0) throw new Error("nothing was written");
      await rm(target);
    };
    await colour(small);
    const before = await memory("VmRSS");
    await writeFile("/proc/self/clear_refs", "5"); // the peak counts from here
    await colour(source);
    process.stdout.write(JSON.stringify({ peakMiB: (await memory("VmHWM")) - before }));
  } finally {
    await workers.close();
    await closeMetadata();
    await rm(folder, { recursive: true });
  }
}

/** A line of /proc/self/status, in MiB. */
async function memory(what: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile("/proc/self/status", "utf8");
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
}

if (import.meta.main) {
  const [source] = process.argv.slice(2);
  if (source === undefined) process.stdout.write(`${JSON.stringify(await benchMemory(), null, 2)}\n`);
  else await measure(source);
}
