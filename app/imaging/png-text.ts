// Text chunks of PNG files, where ComfyUI keeps the graph that made a picture.
// Must never: touch any other part of the file.
import { createWriteStream } from "node:fs";
import { type FileHandle, open, rename, rm, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { crc32 } from "node:zlib";
import { temporaryBeside } from "../kernel/index.ts";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Signature and IHDR, which is always first and of this length. */
const HEAD = 33;

/**
 * Adds a tEXt chunk per entry to a PNG of ours, before its pixels: many readers look no further. Values are JSON; what is
 * not ASCII is written as \uXXXX.
 * @throws Error for a file that is no PNG
 */
export async function addPngText(file: string, texts: Readonly<Record<string, unknown>>): Promise<void> {
  const longer = temporaryBeside(file, ".png");
  const source = await open(file, "r");
  try {
    const head = await readAt(source, 0, HEAD);
    if (!head.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new Error("this is no PNG");
    const chunks = Object.entries(texts).map(([keyword, value]) => textChunk(keyword, asciiJson(value)));
    await writeFile(longer, Buffer.concat([head, ...chunks]), { flag: "wx" });
    await pipeline(
      source.createReadStream({ start: HEAD, autoClose: false }),
      createWriteStream(longer, { flags: "a" }),
    );
    await rename(longer, file);
  } finally {
    await source.close();
    await rm(longer, { force: true });
  }
}

/** Longer texts are passed over: a graph is not so long, and a chunk may say of itself what it likes. */
const LONGEST = 16 * 1024 * 1024;

/** All tEXt chunks of a PNG, by keyword, up to 16 MiB each. Empty for a file that is no PNG. */
export async function readPngText(file: string): Promise<Record<string, string>> {
  const texts: Record<string, string> = Object.create(null);
  const handle = await open(file, "r");
  try {
    if (!(await readAt(handle, 0, SIGNATURE.length)).equals(SIGNATURE)) return texts;
    for (let at = SIGNATURE.length; ; ) {
      const head = await readAt(handle, at, 8);
      if (head.length < 8) return texts;
      const length = head.readUInt32BE(0);
      if (head.toString("latin1", 4) === "tEXt" && length <= LONGEST) {
        const data = await readAt(handle, at + 8, length);
        const zero = data.indexOf(0);
        if (zero > 0) texts[data.toString("latin1", 0, zero)] = data.toString("latin1", zero + 1);
      }
      at += 12 + length;
    }
  } finally {
    await handle.close();
  }
}

async function readAt(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, Math.max(0, at));
  return buffer.subarray(0, bytesRead);
}

function textChunk(keyword: string, text: string): Buffer {
  const data = Buffer.from(`tEXt${keyword}\0${text}`, "latin1");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length - 4);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(data));
  return Buffer.concat([length, data, check]);
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
