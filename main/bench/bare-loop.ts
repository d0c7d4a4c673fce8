// The bare network: loads a model, runs it over and over, and says how fast. A process of its own, so that memory and
// start are the network's alone, and a GPU's libraries are found. Must never: do what the program does around it.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import type { Device } from "../../app/colorize/index.ts";

const loopSchema = z.object({
  /** What to import onnxruntime from. */
  module: z.string(),
  path: z.string(),
  provider: z.string(),
  threads: z.int(),
  width: z.int(),
  height: z.int(),
  batch: z.int(),
  /** Pictures in all, a multiple of the batch. */
  count: z.int(),
});
type Loop = z.infer<typeof loopSchema>;

const loopFiguresSchema = z.object({
  /** From nothing to a loaded network, milliseconds. */
  loadMs: z.number(),
  /** The first run, which prepares more than others. */
  firstMs: z.number(),
  /** Pictures per second of all later runs. */
  perSecond: z.number(),
  /** Peak of the process; 0 where the system does not tell. */
  peakMiB: z.number(),
});
export type LoopFigures = z.infer<typeof loopFiguresSchema>;

async function loop({
  module,
  path,
  provider,
  threads,
  width,
  height,
  batch,
  count,
}: Loop): Promise<LoopFigures> {
  process.env.ORT_DISABLE_TELEMETRY = "1"; // as in the program: read when the runtime is loaded
  const started = performance.now();
  const runtime = (await import(module)) as { default?: Runtime } & Runtime;
  const { InferenceSession, Tensor } = runtime.default ?? runtime;
  const session = await InferenceSession.create(await readFile(path), {
    executionProviders: [provider],
    intraOpNumThreads: threads,
  });
  const loadMs = performance.now() - started;
  const data = new Float32Array(batch * 3 * width * height).fill(0.5);
  const feeds = { [session.inputNames[0]!]: new Tensor("float32", data, [batch, 3, height, width]) };
  const pace = async (pictures: number) => {
    const begun = performance.now();
    for (let done = 0; done < pictures; done += batch) await session.run(feeds);
    return performance.now() - begun;
  };
  const firstMs = await pace(batch);
  const perSecond = (count * 1000) / (await pace(count));
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const peakMiB = Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
  return { loadMs, firstMs, perSecond, peakMiB };
}
type Runtime = typeof import("onnxruntime-node");

/** Runs the loop in a process of its own. */
export async function bareLoop(
  { provider, runtime }: Device,
  loop: Omit<Loop, "module" | "provider">,
): Promise<LoopFigures> {
  const whole: Loop = { module: runtime?.module ?? "onnxruntime-node", provider, ...loop };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [fileURLToPath(import.meta.url), JSON.stringify(whole)],
    { env: { ...process.env, ...runtime?.environment } },
  );
  return loopFiguresSchema.parse(JSON.parse(stdout));
}

if (import.meta.main) {
  const figures = await loop(loopSchema.parse(JSON.parse(process.argv[2] ?? "")));
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  process.exit(0); // some providers keep threads
}
