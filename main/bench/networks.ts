// DDColor itself: every installed official network (random weights do for speed) at 256 and 512, on the CPU and on every
// GPU backend that works here: the program's throughput beside the bare session.run loop, batches, start, memory.
//
// Where AUTOCHROME_PYTHON (with PyTorch) and DDCOLOR_UPSTREAM (upstream's repository) are set, networks with random weights
// are made first; they also let upstream's own pipeline be timed on the same weights and photos.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chooseDevice, importModels, networkSize, probeDevices } from "../../app/colorize/index.ts";
import { cacheFolder, loadConfig, silentLogger } from "../../app/kernel/index.ts";
import { embeddedModel, type Model, openModelStore } from "../../app/modelstore/index.ts";
import { bareLoop, type LoopFigures } from "./bare-loop.ts";
import { benchThroughput, type ThroughputFigures } from "./throughput.ts";

const CORES = availableParallelism();
const SIZES = [256, 512];
/** Pictures that go through a GPU at once, beside one. */
const BATCH = 4;
const run = promisify(execFile);

export interface NetworkFigures {
  readonly model: string;
  readonly size: number;
  readonly device: string;
  /** The program over photos, against the slower of the bare loops. */
  readonly pipeline: ThroughputFigures;
  readonly bare: LoopFigures;
  /** With several pictures at once; GPUs only. */
  readonly batched: LoopFigures | undefined;
}

/** Figures of every network, size and device; empty where no official network is to be had. */
export async function benchNetworks(say: (text: string) => void): Promise<NetworkFigures[]> {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-bench-networks-"));
  try {
    const figures: NetworkFigures[] = [];
    const config = loadConfig();
    const common = {
      model: embeddedModel(),
      threads: CORES,
      gpuLibraries: config.gpuLibraries,
      cacheFolder: cacheFolder(),
      log: silentLogger(),
    };
    const devices = (await probeDevices(common)).filter(({ works }) => works);
    for (const model of await networksFor(folder, config.models, say)) {
      for (const size of SIZES) {
        if (model.input.fixed !== undefined && model.input.fixed.width !== size) continue;
        for (const { device } of devices) {
          say(`${model.id} at ${size} on ${device} …`);
          const chosen = await chooseDevice({ ...common, wish: device });
          const { width, height } = networkSize(model.input, { width: 3000, height: 2000 }, size, true);
          const loop = { path: model.path, threads: CORES, width, height };
          const count = device === "cpu" ? 8 : 32;
          figures.push({
            model: model.id,
            size,
            device: chosen.title,
            bare: await bareLoop(chosen, { ...loop, batch: 1, count }),
            batched: device === "cpu" ? undefined : await bareLoop(chosen, { ...loop, batch: BATCH, count }),
            pipeline: await benchThroughput({
              quality: 98,
              model,
              modelSize: size,
              device: chosen,
              count: device === "cpu" ? 8 : 32,
            }),
          });
        }
      }
    }
    return figures;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Installed official networks, or ones with random weights where they can be made. */
async function networksFor(
  folder: string,
  models: string,
  say: (text: string) => void,
): Promise<readonly Model[]> {
  const installed = openModelStore(models)
    .list()
    .filter(({ architecture }) => architecture.startsWith("ddcolor-"));
  const { AUTOCHROME_PYTHON: python, DDCOLOR_UPSTREAM: upstream } = process.env;
  if (installed.length > 0 || python === undefined || upstream === undefined) return installed;
  const store = openModelStore(join(folder, "models"));
  const made: Model[] = [];
  for (const kind of ["tiny", "large"]) {
    say(`making DDColor ${kind} with random weights …`);
    const script = fileURLToPath(new URL("../../models/export/export.py", import.meta.url));
    await run(python, [script, "--random", kind, "--upstream", upstream, "--out", folder]);
    for (const precision of ["", "-fp16"]) {
      const file = join(folder, `ddcolor-${kind}-random${precision}.onnx`);
      made.push(...(await importModels(store, file, { threads: CORES, log: silentLogger() })));
    }
  }
  return made;
}
