import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findGpus, parseGpus, theGpu } from "./gpu.ts";

const CARD = "NVIDIA GeForce RTX 4090, 580.95.05, 24564, 23011, GPU-11111111-2222-3333-4444-555555555555";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-smi-"));
  vi.stubEnv("PATH", `${folder}:/bin:/usr/bin`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** Puts a script on the PATH in the driver's place. */
async function smi(script: string): Promise<void> {
  const file = join(folder, "nvidia-smi");
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

describe.runIf(process.platform === "linux")("nvidia-smi", () => {
  it("tells name, driver, memory and capability of each card", async () => {
    await smi(`echo "0, ${CARD}, 8.9"; echo "1, ${CARD}, 8.9"`);
    const { gpus, trouble } = await findGpus();
    expect(trouble).toBeUndefined();
    expect(gpus).toHaveLength(2);
    expect(gpus[1]).toEqual({
      index: 1,
      name: "NVIDIA GeForce RTX 4090",
      driver: "580.95.05",
      memoryMiB: 24564,
      freeMiB: 23011,
      uuid: "GPU-11111111-2222-3333-4444-555555555555",
      capability: "8.9",
    });
  });

  it("is asked again without the column that old drivers do not know", async () => {
    await smi(
      `case "$1" in *compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2;; esac; echo "0, ${CARD}"`,
    );
    const { gpus } = await findGpus();
    expect(gpus).toHaveLength(1);
    expect(gpus[0]?.capability).toBeUndefined();
  });

  it("does not tell the memory of some cards", async () => {
    await smi(`echo "0, NVIDIA GB10, 580.95.05, [N/A], [Not Supported], GPU-1, 12.1"`);
    const { gpus } = await findGpus();
    expect(gpus[0]).toMatchObject({ name: "NVIDIA GB10", memoryMiB: undefined });
  });

  it.each([
    ["Failed to initialize NVML: Driver/library version mismatch", 18, /do not fit each other/],
    ["No devices were found", 6, /finds no GPU/],
    ["No devices were found", 0, /finds no GPU/],
    [
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure it runs.",
      9,
      /does not run/,
    ],
    [
      "Unable to determine the device handle for GPU0000:0A:00.0: GPU is lost. Reboot the system.",
      15,
      /respond/,
    ],
    ["<html>", 0, /not understood/],
  ])("says %j (exit code %i) in plain words", async (words, code, sentence) => {
    await smi(`echo "${words}"; exit ${code}`);
    const { gpus, trouble } = await findGpus();
    expect(gpus).toEqual([]);
    expect(trouble?.why).toMatch(sentence);
    expect(trouble?.next).toMatch(/\.$/);
    expect(trouble?.detail).toContain(words);
  });

  it("need not be there", async () => {
    vi.stubEnv("PATH", folder);
    const { gpus, trouble } = await findGpus();
    expect(gpus).toEqual([]);
    expect(trouble?.why).toMatch(/No NVIDIA GPU was found/);
  });
});

describe("cards", () => {
  it("are read where a name holds a comma, and left out where a line makes no sense", () => {
    const text = `0, ACME, the card, 1.2, 100, 50, GPU-x, 9.0\r\nnonsense\n2, x\n3, y, no version, 1, 1, GPU-y, 1.0\n`;
    expect(parseGpus(text).map(({ name }) => name)).toEqual(["ACME, the card"]);
  });

  it("are told apart: which of two kinds is used, only the driver knows", () => {
    const [card] = parseGpus(`0, ${CARD}, 8.9`);
    if (card === undefined) throw new Error("no card");
    expect(theGpu([])).toBeUndefined();
    expect(theGpu([card, { ...card, index: 1, uuid: "GPU-other" }])).toBe(card);
    expect(theGpu([card, { ...card, name: "other" }])).toBeUndefined();
  });
});
