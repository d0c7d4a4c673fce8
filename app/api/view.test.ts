import { symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePng, type Running, raw, startService } from "./service-testing.ts";

let running: Running;
let picture: Buffer;
beforeAll(async () => {
  running = await startService();
  picture = await sharp({
    create: { width: 30, height: 20, channels: 4, background: { r: 255, g: 128, b: 0, alpha: 0.2 } },
  })
    .png()
    .toBuffer();
  const { folders } = running;
  await writeFile(join(folders.path("output"), "o_00001_.png"), picture);
  await writeFile(join(folders.path("input"), '外婆 "1".png'), await makePng(12, 9));
  await writeFile(
    join(folders.path("input"), "grey.jpg"),
    await sharp({ create: { width: 5, height: 4, channels: 3, background: "#888" } })
      .jpeg()
      .toBuffer(),
  );
  await writeFile(join(folders.path("temp"), "page.html"), "<script>alert(1)</script>");
  await writeFile(join(folders.path("temp"), "drawing.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>");
  await writeFile(join(folders.path("temp"), "broken.png"), picture.subarray(0, picture.length / 2));
  await writeFile(join(folders.root, "users", "secret.png"), "secret");
  await symlink(join(folders.root, "users"), join(folders.path("output"), "out"));
});
afterAll(() => running.close());

const view = (query: Record<string, string>, headers: Record<string, string> = {}, method = "GET") =>
  fetch(`${running.url}/view?${new URLSearchParams(query)}`, { headers, method });
const bytes = async (response: Response) => Buffer.from(await response.arrayBuffer());
const image = async (response: Response) => sharp(await bytes(response)).metadata();
const NAME = "o_00001_.png";

describe("a file as it is", () => {
  it("comes from output, with and without the prefix, whatever else is in the query", async () => {
    for (const path of ["/view", "/api/view"]) {
      const response = await fetch(`${running.url}${path}?filename=${NAME}&rand=0.5`);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("image/png");
      expect(response.headers.get("content-disposition")).toBe(`inline; filename="${NAME}"`);
      expect(response.headers.get("content-length")).toBe(String(picture.length));
      expect(await bytes(response)).toEqual(picture);
    }
  });

  it("comes from the folder that type or the name's end says", async () => {
    expect((await view({ filename: "grey.jpg" })).status).toBe(404);
    expect((await view({ filename: "grey.jpg", type: "input" })).headers.get("content-type")).toBe(
      "image/jpeg",
    );
    expect((await view({ filename: "grey.jpg [input]" })).status).toBe(200);
    expect((await view({ filename: `${NAME} [output]`, type: "input" })).status).toBe(200);
    expect((await view({ filename: `${NAME} [temp]` })).status).toBe(404);
  });

  it("has its name in the answer, in any letters", async () => {
    const response = await view({ filename: '外婆 "1".png', type: "input" });
    expect(response.headers.get("content-disposition")).toBe(
      `inline; filename="__ _1_.png"; filename*=UTF-8''${encodeURIComponent('外婆 "1".png')}`,
    );
  });

  it("is not sent again when it has not changed", async () => {
    const path = join(running.folders.path("output"), NAME);
    await utimes(path, new Date("2026-01-01"), new Date("2026-01-01"));
    const first = await view({ filename: NAME });
    const etag = first.headers.get("etag") ?? "";
    expect(first.headers.get("last-modified")).toBe("Thu, 01 Jan 2026 00:00:00 GMT");
    expect((await view({ filename: NAME }, { "If-None-Match": etag })).status).toBe(304);
    expect((await view({ filename: NAME }, { "If-None-Match": `W/${etag}, "x"` })).status).toBe(304);
    expect((await view({ filename: NAME }, { "If-None-Match": '"x"' })).status).toBe(200);
    expect(
      (await view({ filename: NAME }, { "If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT" })).status,
    ).toBe(304);
    expect(
      (await view({ filename: NAME }, { "If-Modified-Since": "Wed, 31 Dec 2025 00:00:00 GMT" })).status,
    ).toBe(200);
  });

  it.each([
    ["bytes=0-9", 206, 0, 10],
    ["bytes=5-", 206, 5, undefined],
    ["bytes=-7", 206, -7, undefined],
    ["bytes=0-999999999", 206, 0, undefined],
    ["bytes=0-1,3-4", 200, 0, undefined],
    ["lines=0-1", 200, 0, undefined],
    ["bytes=-", 200, 0, undefined],
  ])("sends the range %s", async (Range, status, from, to) => {
    const response = await view({ filename: NAME }, { Range });
    expect(response.status).toBe(status);
    const part = picture.subarray(from < 0 ? picture.length + from : from, to ?? picture.length);
    expect(await bytes(response)).toEqual(part);
    const start = from < 0 ? picture.length + from : from;
    if (status === 206) {
      expect(response.headers.get("content-range")).toBe(
        `bytes ${start}-${start + part.length - 1}/${picture.length}`,
      );
    }
  });

  it("says when there is no such range, and keeps to If-Range", async () => {
    const response = await view({ filename: NAME }, { Range: "bytes=999999-" });
    expect([response.status, response.headers.get("content-range")]).toEqual([
      416,
      `bytes */${picture.length}`,
    ]);
    const etag = (await view({ filename: NAME })).headers.get("etag") ?? "";
    expect((await view({ filename: NAME }, { Range: "bytes=0-1", "If-Range": etag })).status).toBe(206);
    expect((await view({ filename: NAME }, { Range: "bytes=0-1", "If-Range": '"old"' })).status).toBe(200);
  });

  it("answers HEAD with the same headers", async () => {
    for (const query of [{ filename: NAME }, { filename: NAME, preview: "webp" }]) {
      const response = await view(query, {}, "HEAD");
      expect(response.status).toBe(200);
      expect(Number(response.headers.get("content-length"))).toBeGreaterThan(0);
      expect((await bytes(response)).length).toBe(0);
    }
  });

  it("that is no picture is saved, not shown", async () => {
    for (const filename of ["page.html", "drawing.svg"]) {
      const { headers } = await view({ filename, type: "temp" });
      expect(headers.get("content-type")).toBe("application/octet-stream");
      expect(headers.get("content-disposition")).toBe(`attachment; filename="${filename}"`);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toContain("sandbox");
    }
  });
});

describe("what is not given", () => {
  it.each([
    [{}, 404],
    [{ filename: "" }, 400],
    [{ filename: "none.png" }, 404],
    [{ filename: "/etc/passwd" }, 400],
    [{ filename: "../users/secret.png" }, 400],
    [{ filename: "..\\users\\secret.png" }, 400],
    [{ filename: "a\u0000.png" }, 400],
    [{ filename: "%2e%2e/users/secret.png" }, 404],
    [{ filename: NAME, type: "users" }, 400],
    [{ filename: NAME, type: "" }, 400],
    [{ filename: "secret.png", subfolder: "../users" }, 403],
    [{ filename: "secret.png", subfolder: "/etc" }, 403],
    [{ filename: "secret.png", subfolder: "out" }, 404],
    [{ filename: "out/secret.png" }, 404],
    [{ filename: "out" }, 404],
    [{ filename: "." }, 404],
    [{ filename: "page.html", type: "temp", preview: "webp" }, 400],
    [{ filename: "broken.png", type: "temp", channel: "rgb" }, 400],
  ] as [Record<string, string>, number][])("%j: %i", async (query, status) => {
    const response = await view(query);
    expect(response.status).toBe(status);
    expect(JSON.parse(await response.text()).error).toMatchObject({ message: expect.any(String) });
  });

  it("a path that is not decoded twice", async () => {
    expect(
      (await raw(running.port, { path: "/view?filename=%252e%252e%252fusers%252fsecret.png" })).status,
    ).toBe(404);
    expect((await raw(running.port, { path: "/view?filename=%2e%2e%2fusers%2fsecret.png" })).status).toBe(
      400,
    );
  });
});

describe("previews and channels", () => {
  it.each([
    ["webp;90", "", "image/webp", 4],
    ["webp", "", "image/webp", 4],
    ["png", "", "image/webp", 4],
    ["", "", "image/webp", 4],
    ["jpeg;75", "", "image/jpeg", 3],
    ["jpeg", "rgb", "image/jpeg", 3],
    ["jpeg;75", "rgba", "image/webp", 4],
    ["webp;50", "rgb", "image/webp", 3],
    ["webp;0", "", "image/webp", 4],
    ["webp;9999", "", "image/webp", 4],
  ])("preview=%s channel=%s", async (preview, channel, type, channels) => {
    const response = await view({ filename: NAME, preview, ...(channel === "" ? {} : { channel }) });
    expect(response.headers.get("content-type")).toBe(type);
    expect(await image(response)).toMatchObject({ width: 30, height: 20, channels });
  });

  it("channel=rgb has no alpha, channel=a nothing else", async () => {
    const rgb = await view({ filename: NAME, channel: "rgb" });
    const { data, info } = await sharp(await bytes(rgb))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.channels, ...data.subarray(0, 3)]).toEqual([3, 255, 128, 0]);
    const a = await sharp(await bytes(await view({ filename: NAME, channel: "a" })))
      .raw()
      .toBuffer();
    expect([...a.subarray(0, 4)]).toEqual([0, 0, 0, 51]);
    const opaque = await view({ filename: "grey.jpg", type: "input", channel: "a" });
    expect([
      ...(
        await sharp(await bytes(opaque))
          .raw()
          .toBuffer()
      ).subarray(0, 4),
    ]).toEqual([0, 0, 0, 255]);
    expect(await bytes(await view({ filename: NAME, channel: "rgba" }))).toEqual(picture);
  });
});

it("knows no metadata of models", async () => {
  expect((await fetch(`${running.url}/view_metadata/ddcolor?filename=a.safetensors`)).status).toBe(404);
});
