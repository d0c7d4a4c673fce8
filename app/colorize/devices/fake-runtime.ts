// A stand-in for onnxruntime, as misbehaved as wished, for the tests of this folder.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Runtime } from "../messages.ts";

export interface Behaviour {
  /** What goes wrong, and when; nothing where it is left out. */
  readonly fault?: "segfault" | "error" | "hang-load" | "hang-run" | "refuse" | "nan" | "exit";
  /** Written to stderr first. */
  readonly words?: string;
  /** What a run takes, in milliseconds. */
  readonly ms?: number;
  /** Lab units that its colours are off. */
  readonly off?: number;
  /** It goes well so often before the fault: a GPU that is taken away while it works. */
  readonly goodRuns?: number;
  /** A file to which a line is added for each start. */
  readonly journal?: string;
}

const SOURCE = `
import { appendFileSync, writeSync } from "node:fs";
const { fault, words, ms = 0, off = 0, goodRuns, journal } = JSON.parse(process.env.FAKE_RUNTIME);
if (journal) appendFileSync(journal, "start\\n");
const forever = () => { for (;;); };
const fail = () => {
  if (fault === "segfault") process.kill(process.pid, "SIGSEGV");
  if (fault === "segfault") forever();
  throw new Error("CUDA failure 719: unspecified launch failure");
};
export class Tensor {
  constructor(type, data, dims) { Object.assign(this, { type, data, dims }); }
}
class Session {
  inputNames = ["input"];
  outputNames = ["output"];
  inputMetadata = [];
  outputMetadata = [];
  runs = 0;
  async run({ input }) {
    if (fault === "hang-run") forever();
    if (goodRuns !== undefined && this.runs++ >= goodRuns) fail();
    const until = performance.now() + ms;
    while (performance.now() < until);
    const [batch, , height, width] = input.dims;
    const data = new Float32Array(2 * batch * height * width).fill(fault === "nan" ? NaN : 10 + off);
    return { output: new Tensor("float32", data, [batch, 2, height, width]) };
  }
}
export const InferenceSession = {
  async create() {
    if (words) writeSync(2, words);
    if (fault === "segfault" && goodRuns === undefined) fail();
    if (fault === "hang-load") forever();
    if (fault === "exit") process.exit(3);
    if (fault === "refuse") throw new Error("the provider refused");
    return new Session();
  },
};
`;

/** Writes the module into a folder. @returns makes a runtime of it */
export async function makeFakeRuntimes(folder: string): Promise<(behaviour?: Behaviour) => Runtime> {
  const file = join(folder, "fake-runtime.mjs");
  await writeFile(file, SOURCE);
  return (behaviour = {}) => ({
    module: pathToFileURL(file).href,
    environment: { FAKE_RUNTIME: JSON.stringify(behaviour) },
  });
}
