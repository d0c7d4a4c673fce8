import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addPngText, readPngText } from "../imaging/index.ts";
import { formOf, makePng, type Running, raw, rawForm, startService } from "./service-testing.ts";

let running: Running;
beforeEach(async () => {
  running = await startService();
});
afterEach(() => running.close());

async function upload(form: FormData, path = "/upload/image") {
  const response = await fetch(running.url + path, { method: "POST", body: form });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text) };
}

const inputs = async () => (await running.files()).filter((file) => !file.startsWith("users"));

/** A PNG that says it is so large and holds next to nothing. */
function bomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const pixels = deflateSync(Buffer.alloc(1_000_000));
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", pixels),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

describe("what is taken", () => {
  it("puts a picture into input, or where the form says, with and without the prefix", async () => {
    const png = await makePng();
    expect(await upload(formOf(png, "input.jpg"))).toEqual({
      status: 200,
      body: { name: "input.jpg", subfolder: "", type: "input" },
    });
    expect(
      await upload(
        formOf(png, "外婆 (1936).png", { subfolder: "album/1936", type: "temp" }),
        "/api/upload/image",
      ),
    ).toEqual({
      status: 200,
      body: { name: "外婆 (1936).png", subfolder: "album/1936", type: "temp" },
    });
    expect(await inputs()).toEqual(["input/input.jpg", "temp/album/1936/外婆 (1936).png"]);
    expect(await readFile(join(running.folders.path("input"), "input.jpg"))).toEqual(png);
    expect(running.folders.list()).toEqual(["input.jpg"]);
  });

  it("takes words that come after the file", async () => {
    const form = new FormData();
    form.set("image", new File([new Uint8Array(await makePng())], "a.png"));
    form.set("subfolder", "later");
    expect((await upload(form)).body).toEqual({ name: "a.png", subfolder: "later", type: "input" });
  });

  it("numbers another picture of the same name, and knows the same one again", async () => {
    const [first, second, third] = [await makePng(8), await makePng(9), await makePng(10)];
    const name = async (content: Buffer, fields = {}) =>
      (await upload(formOf(content, "a.png", fields))).body.name;
    expect(await name(first)).toBe("a.png");
    expect(await name(first)).toBe("a.png");
    expect(await name(second)).toBe("a (1).png");
    expect(await name(second)).toBe("a (1).png");
    expect(await name(third)).toBe("a (2).png");
    expect(await name(third, { overwrite: "true" })).toBe("a.png");
    expect(await name(first, { overwrite: "1" })).toBe("a.png");
    expect(await inputs()).toEqual(["input/a (1).png", "input/a (2).png", "input/a.png"]);
    expect(await readFile(join(running.folders.path("input"), "a.png"))).toEqual(first);
  });

  it("makes a file young again that is uploaded again", async () => {
    const png = await makePng();
    await upload(formOf(png, "a.png"));
    const path = join(running.folders.path("input"), "a.png");
    await utimes(path, new Date(0), new Date(0));
    await upload(formOf(png, "a.png"));
    expect((await stat(path)).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
  });

  it("gives ten at once ten names", async () => {
    const pictures = await Promise.all(Array.from({ length: 10 }, (_, i) => makePng(8 + i)));
    const names = await Promise.all(
      pictures.map(async (png) => (await upload(formOf(png, "a.png"))).body.name),
    );
    expect(new Set(names).size).toBe(10);
    const hashes = new Set(
      await Promise.all(
        names.map(async (name) =>
          createHash("sha256")
            .update(await readFile(join(running.folders.path("input"), name)))
            .digest("hex"),
        ),
      ),
    );
    expect(hashes.size).toBe(10);
  });
});

describe("what is refused leaves nothing", () => {
  afterEach(async () => expect(await inputs()).toEqual([]));

  it("11 MB, with its length and without", async () => {
    const large = Buffer.concat([await makePng(), randomBytes(11_000_000)]);
    const { status, body } = await upload(formOf(large, "a.png"));
    expect([status, body.error.message]).toEqual([413, expect.any(String)]);
    expect(body.error).toMatchObject({ code: "too-large", message: expect.stringContaining("10 MB") });
    const form = rawForm("a.png", large);
    const { "Content-Type": type } = form.headers;
    const chunked = await raw(running.port, {
      method: "POST",
      path: "/upload/image",
      headers: { "Content-Type": type, "Transfer-Encoding": "chunked" },
      body: form.body,
    });
    expect(chunked.status).toBe(413);
  });

  it.each([
    "../a.png",
    "..\\a.png",
    "..%2fa.png/../../a.png",
    "/etc/a.png",
    "C:\\a.png",
    "C:a.png",
    "sub/a.png",
    "..",
    ".",
    ".hidden.png",
    "a\u0000.png",
    "a\u0007.png",
    "CON",
    "con.png",
    "NUL.png",
    "com1.jpg",
    "a.png.",
    "a.png ",
    "a.png [temp]",
    `${"a".repeat(300)}.png`,
  ])("the name %j", async (name) => {
    const png = await makePng();
    const { body, headers } = rawForm(name, png);
    const answer = await raw(running.port, { method: "POST", path: "/upload/image", headers, body });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).error).toMatchObject({
      code: expect.any(String),
      next: expect.any(String),
    });
  });

  it("keeps an encoded name as it is written: it is no path", async () => {
    const { status, body } = await upload(formOf(await makePng(), "%2e%2e%2fa.png"));
    expect([status, body.name]).toEqual([200, "%2e%2e%2fa.png"]);
    expect(await inputs()).toEqual(["input/%2e%2e%2fa.png"]);
    await rm(join(running.folders.path("input"), "%2e%2e%2fa.png"));
  });

  it.each([
    "..",
    "../x",
    "a/../../x",
    "/tmp",
    "a\\..\\..\\x",
    "\\\\server\\share",
    "C:/x",
    "a\u0000b",
    "nul",
    "a/aux/b",
    ".git",
  ])("the subfolder %j", async (subfolder) => {
    const { body, headers } = rawForm("a.png", await makePng(), { subfolder });
    const answer = await raw(running.port, { method: "POST", path: "/upload/image", headers, body });
    expect(answer.status).toBe(400);
  });

  it("an unknown type, no file, a file without a name", async () => {
    const png = await makePng();
    expect((await upload(formOf(png, "a.png", { type: "users" }))).status).toBe(400);
    const form = new FormData();
    form.set("type", "input");
    expect((await upload(form)).status).toBe(400);
    const { body, headers } = rawForm("", png);
    expect((await raw(running.port, { method: "POST", path: "/upload/image", headers, body })).status).toBe(
      400,
    );
  });

  it.each([
    ["a PNG bomb", bomb(60_000, 60_000), "a.png"],
    ["a PNG bomb with absurd sides", bomb(2_000_000_000, 1), "a.png"],
    ["HTML", Buffer.from("<!doctype html><script>alert(1)</script>"), "a.png"],
    [
      "SVG",
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'),
      "a.png",
    ],
    ["nothing", Buffer.alloc(0), "a.png"],
    ["a broken picture", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]), "a.png"],
  ])("%s", async (_, content, name) => {
    const { status, body } = await upload(formOf(content, name));
    expect(status).toBe(400);
    expect(body.error.message).not.toContain("incoming");
    expect(body.error.message).toMatch(/^a\.png|too/);
  });

  it("a picture that calls itself a page", async () => {
    for (const name of ["a.html", "a.svg", "a.png.exe", "a.js"]) {
      expect((await upload(formOf(await makePng(), name))).status).toBe(400);
    }
  });

  it.each([
    ["no form", "application/json", "{}"],
    ["no boundary", "multipart/form-data", "x"],
    ["another boundary", "multipart/form-data; boundary=y", "--x\r\n\r\n"],
    [
      "no end",
      "multipart/form-data; boundary=x",
      '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nabc',
    ],
    [
      "a broken head",
      "multipart/form-data; boundary=x",
      "--x\r\nContent\u0001-Disposition form-data\r\n\r\nabc\r\n--x--\r\n",
    ],
    [
      "a broken second head",
      "multipart/form-data; boundary=x",
      '--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nabc\r\n--x\r\nCon\u0001tent\r\n\r\n--x--\r\n',
    ],
  ])("a broken form: %s", async (_, type, body) => {
    const answer = await raw(running.port, {
      method: "POST",
      path: "/upload/image",
      headers: { "Content-Type": type },
      body,
    });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).error.code).toBe("bad-request");
    expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
  });

  it("an upload that is given up", async () => {
    const { body, headers } = rawForm("a.png", Buffer.alloc(5_000_000));
    const socket = connect(running.port, "127.0.0.1");
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST /upload/image HTTP/1.1\r\nHost: 127.0.0.1\r\n${head.join("")}\r\n`);
    socket.write(body.subarray(0, 2_000_000));
    const incoming = async () => (await running.files()).filter((file) => file.startsWith("incoming"));
    while ((await incoming()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
    while ((await incoming()).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
  });
});

it("follows no link out of the folder", async () => {
  const outside = join(running.folders.root, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "secret.png"), "secret");
  const input = running.folders.path("input");
  await symlink(outside, join(input, "out"));
  await symlink(join(outside, "secret.png"), join(input, "link.png"));
  const png = await makePng();
  expect((await upload(formOf(png, "a.png", { subfolder: "out" }))).status).toBe(400);
  expect((await upload(formOf(png, "a.png", { subfolder: "out/new" }))).status).toBe(400);
  expect((await upload(formOf(png, "link.png", { overwrite: "true" }))).status).toBe(400);
  expect(running.folders.find("link.png")).toBeUndefined();
  expect(running.folders.find("out/secret.png")).toBeUndefined();
  expect(await readFile(join(outside, "secret.png"), "utf8")).toBe("secret");
  expect(await running.files()).toEqual(
    expect.not.arrayContaining([expect.stringMatching(/outside\/a\.png/)]),
  );
});

describe("masks", () => {
  const mask = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0.2 } } })
      .png()
      .toBuffer();

  it("gives the original the mask's alpha and keeps its text", async () => {
    const original = join(running.folders.path("output"), "o_00001_.png");
    await writeFile(original, await makePng(12, 9, "#ff8000"));
    await addPngText(original, { prompt: { 1: { class_type: "x" } } });
    const form = formOf(await mask(12, 9), "painted.png", {
      original_ref: '{"filename":"o_00001_.png"}',
      subfolder: "clipspace",
    });
    expect(await upload(form, "/upload/mask")).toEqual({
      status: 200,
      body: { name: "painted.png", subfolder: "clipspace", type: "input" },
    });
    const made = join(running.folders.path("input"), "clipspace", "painted.png");
    const { data, info } = await sharp(made).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([12, 9, 4]);
    expect([...data.subarray(0, 4)]).toEqual([255, 128, 0, 51]);
    expect(Object.keys(await readPngText(made))).toContain("prompt");
    expect((await running.files()).filter((file) => file.startsWith("incoming"))).toEqual([]);
  });

  it("replaces an alpha that is there", async () => {
    await writeFile(join(running.folders.path("output"), "o.png"), await mask(12, 9));
    const form = formOf(await mask(12, 9), "p.png", { original_ref: '{"filename":"o.png"}' });
    expect((await upload(form, "/upload/mask")).status).toBe(200);
    const made = await sharp(join(running.folders.path("input"), "p.png"))
      .raw()
      .toBuffer();
    expect([...made.subarray(0, 4)]).toEqual([1, 2, 3, 51]);
  });

  it.each([
    ["no reference", {}],
    ["no JSON", { original_ref: "{" }],
    ["a reference that leads out", { original_ref: '{"filename":"../users/x"}' }],
    ["nothing there", { original_ref: '{"filename":"no.png"}' }],
    ["another size", { original_ref: '{"filename":"o.png","type":"input"}' }],
  ])("refuses %s and writes nothing", async (_, fields: Record<string, string>) => {
    await writeFile(join(running.folders.path("input"), "o.png"), await makePng(5, 5));
    expect((await upload(formOf(await mask(12, 9), "m.png", fields), "/upload/mask")).status).toBe(400);
    expect(await inputs()).toEqual(["input/o.png"]);
  });
});
