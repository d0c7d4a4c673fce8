// The contract of `colorize`, on real files through the real command line.
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hashesBelow, run, start } from "./cli.ts";

const FAST = ["--model-size", "64"];
let root: string;
let photo: Buffer;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "autochrome-colorize-"));
  photo = await grey(200, 150).jpeg().toBuffer();
});
afterAll(() => rm(root, { recursive: true, force: true }));

function grey(width: number, height: number): Sharp {
  return sharp({
    create: {
      width,
      height,
      channels: 3,
      background: "#777",
      noise: { type: "gaussian", mean: 128, sigma: 40 },
    },
  }).greyscale();
}

async function folder(name: string): Promise<string> {
  const path = join(root, name);
  await mkdir(path, { recursive: true });
  return path;
}

describe("colorize", () => {
  it("colours a folder into another one, keeping paths, sizes and formats, and never the originals", async () => {
    const input = await folder("album/in");
    await mkdir(join(input, "grandparents", "1936"), { recursive: true });
    await grey(120, 80).jpeg().toFile(join(input, "a.jpg"));
    await grey(90, 140)
      .png()
      .toFile(join(input, "grandparents", "b.png"));
    await grey(64, 64)
      .tiff()
      .toFile(join(input, "grandparents", "1936", "c.TIF"));
    await grey(64, 64).webp().toFile(join(input, "d.webp"));
    await writeFile(join(input, "notes.txt"), "not a photo");
    const originals = await hashesBelow(input);
    const out = join(root, "album", "out");

    const { code, lines, summary } = await run(["colorize", input, "--out", out, ...FAST]);
    expect(code).toBe(0);
    expect(summary).toEqual({
      done: 4,
      failed: 0,
      skipped: 0,
      seconds: expect.any(Number),
      device: "cpu",
      model: "autochrome-small",
    });
    expect(lines.length).toBe(5);
    expect(lines).toContainEqual({
      file: join(input, "grandparents", "b.png"),
      output: join(out, "grandparents", "b.png"),
      status: "done",
      width: 90,
      height: 140,
      ms: expect.any(Number),
    });
    expect([...(await hashesBelow(out)).keys()].sort()).toEqual(
      ["a.jpg", "d.webp", join("grandparents", "1936", "c.TIF"), join("grandparents", "b.png")].sort(),
    );
    expect((await sharp(join(out, "grandparents", "1936", "c.TIF")).metadata()).format).toBe("tiff");
    expect(await hashesBelow(input)).toEqual(originals);
  });

  it("skips what is there, and replaces it only when told to", async () => {
    const input = await folder("again/in");
    await writeFile(join(input, "a.jpg"), photo);
    const out = await folder("again/out");
    await writeFile(join(out, "a.jpg"), "somebody's work");

    const skipped = await run(["colorize", input, "--out", out, ...FAST]);
    expect(skipped).toMatchObject({ code: 0, summary: { done: 0, failed: 0, skipped: 1 } });
    expect(skipped.lines[0]).toMatchObject({ status: "skipped", output: join(out, "a.jpg") });
    const kept = await hashesBelow(out);
    const replaced = await run(["colorize", input, "--out", out, "--overwrite", ...FAST]);
    expect(replaced).toMatchObject({ code: 0, summary: { done: 1, skipped: 0 } });
    expect(await hashesBelow(out)).not.toEqual(kept);
    expect((await sharp(join(out, "a.jpg")).metadata()).format).toBe("jpeg");
  });

  it("keeps two photos apart that would get the same name", async () => {
    const input = await folder("names/in");
    await writeFile(join(input, "a.jpg"), photo);
    await grey(50, 50).png().toFile(join(input, "a.png"));
    const out = join(root, "names", "out");
    expect(await run(["colorize", input, "--out", out, "--format", "png", ...FAST])).toMatchObject({
      code: 0,
      summary: { done: 2 },
    });
    expect((await readdir(out)).sort()).toEqual(["a (2).png", "a.png"]);
  });

  it("leaves an output folder inside the input folder out, however often it runs", async () => {
    const input = await folder("inside");
    await writeFile(join(input, "a.jpg"), photo);
    const out = join(input, "coloured");
    expect((await run(["colorize", input, "--out", out, ...FAST])).summary).toMatchObject({
      done: 1,
      skipped: 0,
    });
    expect((await run(["colorize", input, "--out", out, ...FAST])).summary).toMatchObject({
      done: 0,
      skipped: 1,
    });
    expect(await readdir(out)).toEqual(["a.jpg"]);
  });

  it("refuses to write results over originals", async () => {
    const input = await folder("over");
    await writeFile(join(input, "a.jpg"), photo);
    await symlink(input, join(root, "over-link"));
    const originals = await hashesBelow(input);
    for (const [source, out] of [
      [input, input],
      [join(input, "a.jpg"), input],
      [input, join(root, "over-link")],
    ] as const) {
      const refused = await run(["colorize", source, "--out", out, "--overwrite", ...FAST]);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(/over the originals/);
    }
    expect(await hashesBelow(input)).toEqual(originals);
  });

  it("says what is wrong with each bad file, and goes on with the others", async () => {
    const input = await folder("bad/in");
    const put = (name: string, content: Buffer | string) => writeFile(join(input, name), content);
    await put("good.jpg", photo);
    await put("empty.jpg", "");
    await put("text.jpg", "These are only words, in a file that says it is a photo.");
    await put("truncated.jpg", photo.subarray(0, Math.floor(photo.length / 2)));
    await put("zero.png", Buffer.alloc(1000));
    await put("wrong-extension.png", photo);
    await grey(1, 1).png().toFile(join(input, "tiny.png"));
    await grey(1, 20_000).png().toFile(join(input, "tall.png"));
    await put("bomb.png", pngHeader(30_000, 30_000));
    await put("emoji 👵🏽.jpg", photo);
    await put("line\nbreak.jpg", photo);
    await put("祖母一九三六年.jpg", photo);
    await put(`${"x".repeat(251)}.jpg`, photo);
    await put("dots....jpg", photo);
    const out = join(root, "bad", "out");
    const originals = await hashesBelow(input);

    const { code, lines, summary } = await run([
      "colorize",
      input,
      join(root, "nothing-here.jpg"),
      "--out",
      out,
      ...FAST,
    ]);
    const failures = new Map(
      lines
        .filter((line) => line.status === "failed")
        .map((line) => [String(line.file).split("/").at(-1), (line.error as { code: string }).code]),
    );
    expect(Object.fromEntries(failures)).toEqual({
      "empty.jpg": "empty-file",
      "text.jpg": "not-an-image",
      "truncated.jpg": "damaged-image",
      "zero.png": "not-an-image",
      "bomb.png": "image-too-large",
      "nothing-here.jpg": "not-found",
    });
    expect(code).toBe(1);
    expect(summary).toMatchObject({ done: 9, failed: 6, skipped: 0 });
    for (const line of lines.filter((entry) => entry.status === "failed")) {
      expect(line.error).toMatchObject({
        message: expect.stringMatching(/\.$/),
        next: expect.stringMatching(/\.$/),
      });
    }
    // A JPEG that called itself PNG comes out as what it is.
    expect((await readdir(out)).sort()).toEqual(
      [
        "good.jpg",
        "wrong-extension.jpg",
        "tiny.png",
        "tall.png",
        "emoji 👵🏽.jpg",
        "line\nbreak.jpg",
        "祖母一九三六年.jpg",
        `${"x".repeat(251)}.jpg`,
        "dots....jpg",
      ].sort(),
    );
    expect(await hashesBelow(input)).toEqual(originals);
  });

  it("exits 2 for what makes no sense, before anything is done", async () => {
    const out = join(root, "never");
    await writeFile(join(root, "one.jpg"), photo);
    const one = join(root, "one.jpg");
    for (const args of [
      ["colorize"],
      ["colorize", one],
      ["colorize", one, "--out", out, "--model-size", "many"],
      ["colorize", one, "--out", out, "--color-factor", "9"],
      ["colorize", one, "--out", out, "--format", "bmp"],
      ["colorize", one, "--out", out, "--model", "nonesuch"],
      ["colorize", one, "--out", out, "--device", "abacus"],
      ["colourise", one],
      ["colorize", await folder("no-photos"), "--out", out],
    ]) {
      expect({ args, code: (await run(args)).code }).toEqual({ args, code: 2 });
    }
    expect((await run(["colorize", one, "--out", out], { AUTOCHROME_QUALITY: "1000" })).stderr).toMatch(
      /AUTOCHROME_QUALITY/,
    );
    await expect(readdir(out)).rejects.toThrow(/ENOENT/);
  });

  it("says in words that a model size was rounded", async () => {
    const out = join(root, "rounded");
    expect(
      (await run(["colorize", join(root, "one.jpg"), "--out", out, "--model-size", "100"])).stderr,
    ).toMatch(/rounded to 96/);
  });

  it("finishes what is under way at the first Ctrl-C, and leaves no half files", async () => {
    const input = await folder("stop/in");
    const described = await sharp(photo)
      .withExif({ IFD0: { ImageDescription: "1936" } })
      .jpeg()
      .toBuffer();
    for (let i = 0; i < 40; i++) await writeFile(join(input, `${i}.jpg`), described);
    const out = join(root, "stop", "out");
    const running = start(["colorize", input, "--out", out, ...FAST], { AUTOCHROME_WORKERS: "1" });
    await running.lineWith((line) => line.status === "done");
    running.interrupt();
    const { code, lines, summary } = await running.ended;
    expect(code).toBe(130);
    const done = lines.filter((line) => line.status === "done").map((line) => line.output);
    expect(summary).toMatchObject({ done: done.length, failed: 0 });
    expect(done.length).toBeLessThan(40);
    // The signal reached every process that the command had started; none of the results lacks its metadata.
    for (const line of lines) expect(line.notes).toBeUndefined();
    expect((await readdir(out)).map((name) => join(out, name)).sort()).toEqual(done.sort());
  });

  it("stops at once at the second Ctrl-C, and keeps what is finished", async () => {
    const input = join(root, "stop", "in");
    const out = join(root, "stop", "out-at-once");
    const running = start(["colorize", input, "--out", out, "--model-size", "1024"], {
      AUTOCHROME_WORKERS: "1",
    });
    await running.lineWith((line) => line.status === "done");
    running.interrupt();
    await new Promise((resolve) => setTimeout(resolve, 50));
    running.interrupt();
    const { code, lines } = await running.ended;
    expect(code).toBe(130);
    const done = lines.filter((line) => line.status === "done").map((line) => line.output);
    expect((await readdir(out)).map((name) => join(out, name)).sort()).toEqual(done.sort());
  });

  it("sweeps what a killed run left behind, and does only the rest", async () => {
    const input = join(root, "stop", "in");
    const out = join(root, "stop", "out-killed");
    const running = start(["colorize", input, "--out", out, ...FAST]);
    await running.lineWith((line) => line.status === "done");
    running.child.kill("SIGKILL");
    await running.ended;
    const again = await run(["colorize", input, "--out", out, ...FAST]);
    expect(again.code).toBe(0);
    expect(Number(again.summary.done) + Number(again.summary.skipped)).toBe(40);
    expect(Number(again.summary.skipped)).toBeGreaterThan(0);
    expect((await readdir(out)).length).toBe(40);
  });

  it.skipIf(process.getuid?.() === 0)("says that a file may not be read", async () => {
    const locked = join(root, "locked.jpg");
    await writeFile(locked, photo);
    await chmod(locked, 0o000);
    const { code, lines } = await run(["colorize", locked, "--out", join(root, "locked-out"), ...FAST]);
    expect(code).toBe(1);
    expect(lines[0]).toMatchObject({ status: "failed", error: { code: "unreadable-file" } });
  });
});

/** A PNG that promises a size and has next to no data. */
function pngHeader(width: number, height: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeUInt32BE(width, 0);
  size.writeUInt32BE(height, 4);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", Buffer.concat([size, Buffer.from([8, 0, 0, 0, 0])])),
    chunk("IDAT", deflateSync(Buffer.alloc(100))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
