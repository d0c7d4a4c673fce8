// Devices through the command line, on whatever computer this is.
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./cli.ts";

/** One plain sentence. */
const SENTENCE = /^[A-Z][^\n]{10,250}\.$/;
const NAMES = ["cpu", "webgpu", "cuda", "tensorrt", "dml", "coreml"];

let root: string;
let environment: Record<string, string>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-devices-"));
  environment = { AUTOCHROME_DEVICE: "auto", XDG_CACHE_HOME: join(root, "cache") };
});
afterAll(() => rm(root, { recursive: true }));

describe("devices", () => {
  it("says about each one whether it works, or why not and what to do; then what colours photos", async () => {
    const { code, lines, summary, stderr } = await run(["devices"], environment);
    expect(code).toBe(0);
    expect(lines.slice(0, -1).map(({ device }) => device)).toEqual(NAMES);
    for (const line of lines.slice(0, -1)) {
      if (line.works === true) {
        expect(line.ms).toEqual(expect.any(Number));
      } else {
        expect(line.why).toMatch(SENTENCE);
        expect(line.next).toMatch(SENTENCE);
      }
    }
    expect(lines[0]).toMatchObject({ device: "cpu", works: true });
    expect(summary).toMatchObject({ devices: NAMES.length, wish: "auto", used: expect.any(String) });
    expect(stderr).toContain("Trying cpu");
    expect(stderr).toMatch(/Photos are coloured on \w+/);
  }, 300_000);

  it.runIf(process.platform === "linux")(
    "asks NVIDIA's driver, and tells its trouble",
    async () => {
      const path = join(root, "bin");
      await mkdir(path);
      const script = `#!/bin/sh\necho "Failed to initialize NVML: Driver/library version mismatch"; exit 18\n`;
      await writeFile(join(path, "nvidia-smi"), script);
      await chmod(join(path, "nvidia-smi"), 0o755);
      const { lines } = await run(["devices"], { ...environment, PATH: `${path}:${process.env.PATH}` });
      const cuda = lines.find(({ device }) => device === "cuda");
      if (process.arch === "x64") {
        expect(cuda).toMatchObject({ works: false, next: "Restart the computer." });
        expect(cuda?.detail).toContain("version mismatch");
      }
    },
    300_000,
  );

  it("never falls back from one that is asked for", async () => {
    const foreign = process.platform === "win32" ? "coreml" : "dml";
    const shown = await run(["devices"], { ...environment, AUTOCHROME_DEVICE: foreign });
    expect(shown.code).toBe(1);
    expect(shown.summary).toMatchObject({ used: null, error: { code: "device-unavailable" } });

    const photo = join(root, "photo.png");
    await sharp({ create: { width: 64, height: 48, channels: 3, background: "#777" } }).toFile(photo);
    const args = ["colorize", photo, "--out", join(root, "out"), "--device", foreign];
    const { code, lines } = await run(args, environment);
    expect(code).toBe(2);
    expect(lines).toEqual([
      {
        error: expect.objectContaining({
          code: "device-unavailable",
          message: expect.stringMatching(/exists on .* only/),
        }),
      },
    ]);
    expect(await readdir(join(root, "out")).catch(() => [])).toEqual([]);
  }, 300_000);

  it("remembers what works, and colours with it", async () => {
    const photo = join(root, "again.png");
    await sharp({ create: { width: 64, height: 48, channels: 3, background: "#999" } }).toFile(photo);
    const args = ["colorize", photo, "--out", join(root, "out")];
    const { code, summary } = await run(args, environment);
    expect(code).toBe(0);
    expect(NAMES).toContain(summary.device);
    if (process.platform === "linux") {
      const memory = join(root, "cache", "autochrome", "devices.json");
      expect(JSON.parse(await readFile(memory, "utf8"))).toMatchObject({ format: 1 });
    }
  }, 300_000);
});

describe("doctor", () => {
  it("tells the same", async () => {
    const { lines } = await run(["doctor", "--library", join(root, "library")], environment);
    for (const name of NAMES) {
      expect(lines).toContainEqual(expect.objectContaining({ about: `device ${name}`, ok: true }));
    }
    expect(lines).toContainEqual(
      expect.objectContaining({
        about: "device",
        ok: true,
        found: expect.stringContaining("photos are coloured on"),
      }),
    );
  }, 300_000);

  it("finds a device that is set and does not work", async () => {
    const foreign = process.platform === "win32" ? "coreml" : "dml";
    const { code, lines } = await run(["doctor", "--library", join(root, "library")], {
      ...environment,
      AUTOCHROME_DEVICE: foreign,
    });
    expect(code).toBe(1);
    expect(lines).toContainEqual(
      expect.objectContaining({ about: "device", ok: false, next: expect.any(String) }),
    );
  }, 300_000);
});
