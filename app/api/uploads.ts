// Uploads: pictures from clients into the service's folders, streamed to disk.
//
// Owns: what is taken (pictures, by their content), how large, under which name. Must never: keep anything of an upload
// that was refused or given up, replace a file unasked, or hold a file in memory.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { stat, unlink, utimes } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { basename, extname, parse as parsePath } from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "@hono/zod-openapi";
import busboy from "busboy";
import { applyMask, inspectImage, type Limits, PHOTO_EXTENSIONS } from "../imaging/index.ts";
import { AutochromeError, copyAtomically, hashFile } from "../kernel/index.ts";
import { badRequest, refusal } from "./answers.ts";
import { DISCARD_BYTES } from "./body.ts";
import { type ApiRoutes, endpoint } from "./endpoint.ts";
import { type Folders, type FolderType, incomingPath, isFolderType, namesOf } from "./folders.ts";

export interface UploadOptions {
  readonly folders: Folders;
  readonly limits: Limits;
  /** Largest file, in bytes. */
  readonly maxBytes: number;
}

/** A form as it came: its words, and its picture on disk. */
interface Form {
  readonly fields: ReadonlyMap<string, string>;
  readonly file: { readonly name: string; readonly path: string; readonly sha256: string };
}

const FIELDS = 20;
const FIELD_BYTES = 64 * 1024;

const uploadedSchema = z
  .object({ name: z.string(), subfolder: z.string(), type: z.enum(["input", "output", "temp"]) })
  .openapi("Uploaded");
const formSchema = z.object({
  image: z.string().openapi({ format: "binary", description: "JPEG, PNG, TIFF, WebP, AVIF or GIF" }),
  type: z.enum(["input", "output", "temp"]).optional(),
  subfolder: z.string().optional(),
  overwrite: z.string().optional().openapi({ description: '"true" or "1" replaces a file of that name' }),
});
const originalSchema = z.object({
  filename: z.string(),
  subfolder: z.string().optional(),
  type: z.string().optional(),
});

export function uploadRoutes(routes: ApiRoutes, options: UploadOptions): void {
  const answers = {
    200: { description: "The name that it has now", schema: uploadedSchema },
    400: "Not a form, not a picture, or a name that is not taken",
    413: "The file is too large",
  };
  endpoint(
    routes,
    {
      method: "post",
      path: "/upload/image",
      tag: "Files",
      summary:
        "Uploads a picture. The same picture again under its name changes nothing; another one gets a number.",
      upload: { type: "multipart/form-data", schema: formSchema },
      answers,
    },
    async (c) => {
      const form = await receive(c.env.incoming, options);
      try {
        await judge(form, options.limits);
        return c.json(await keep(form, form.file.path, form.file.sha256, form.file.name, options.folders));
      } finally {
        await unlink(form.file.path);
      }
    },
  );
  endpoint(
    routes,
    {
      method: "post",
      path: "/upload/mask",
      tag: "Files",
      summary:
        "Uploads a mask: its alpha becomes the alpha of the picture that original_ref names, as a new PNG.",
      upload: {
        type: "multipart/form-data",
        schema: formSchema.extend({
          original_ref: z.string().openapi({ description: 'JSON: {"filename", "subfolder"?, "type"?}' }),
        }),
      },
      answers,
    },
    async (c) => {
      const { folders, limits } = options;
      const form = await receive(c.env.incoming, options);
      const merged = incomingPath(folders, ".png");
      try {
        await judge(form, limits);
        const original = await findOriginal(form, folders);
        await applyMask(original, form.file.path, merged, limits);
        return c.json(await keep(form, merged, await hashFile(merged), form.file.name, folders));
      } finally {
        await unlink(form.file.path);
        await unlink(merged).catch(() => undefined); // there only when all went well
      }
    },
  );
}

/** Streams a form to disk. On any failure nothing is left. */
async function receive(request: IncomingMessage, { folders, maxBytes }: UploadOptions): Promise<Form> {
  const fields = new Map<string, string>();
  let file: { readonly name: string; readonly path: string; readonly stored: Promise<string> } | undefined;
  let isSurplus = false;
  const parser = openParser(request, maxBytes);
  parser.on("field", (name, value) => void fields.set(name, value));
  parser.on("file", (field, stream, { filename }) => {
    if (field !== "image" || filename === undefined || file !== undefined) {
      stream.on("error", () => undefined); // nobody's, and nobody's loss
      stream.resume();
      return;
    }
    const path = incomingPath(folders);
    const stored = store(stream, path);
    stored.catch(() => undefined); // heard below
    file = { name: filename, path, stored };
    stream.once("limit", () => {
      isSurplus = true;
    });
  });
  let failure: unknown = await feed(request, parser, maxBytes);
  const sha256 = await file?.stored.catch((error: unknown) => {
    failure ??= error;
    return undefined;
  });
  if (failure === undefined && !isSurplus && file !== undefined && sha256 !== undefined) {
    return { fields, file: { name: file.name, path: file.path, sha256 } };
  }
  if (file !== undefined) await unlink(file.path).catch(() => undefined); // perhaps not even begun
  if (isSurplus) throw tooLarge(maxBytes);
  if (isSystemError(failure)) throw failure;
  if (failure !== undefined)
    throw badRequest("The form is broken or ends early.", "Send it again as multipart/form-data.");
  throw badRequest('The form has no file called "image".', 'Send the picture as "image", with a file name.');
}

/** Feeds the parser to the end, also what nobody wants any more, so that the sender gets to hear the answer. @returns what went wrong */
export function feed(request: IncomingMessage, parser: busboy.Busboy, maxBytes: number): Promise<unknown> {
  return new Promise((resolve) => {
    let failure: unknown;
    let read = 0;
    request.on("data", (chunk: Buffer) => {
      read += chunk.length;
      if (read > maxBytes + DISCARD_BYTES) request.destroy();
    });
    parser.on("error", (error) => {
      failure ??= error;
      parser.destroy(); // busboy itself lets a file that had begun hang
      request.unpipe(parser);
      request.resume();
      if (request.readableEnded) resolve(failure);
    });
    parser.once("close", () => {
      if (request.readableEnded) resolve(failure);
    });
    request.once("end", () => {
      if (parser.destroyed) resolve(failure);
    });
    request.once("close", () => {
      if (request.readableEnded) return;
      parser.destroy(new Error("the sender gave up"));
      resolve(failure ?? new Error("the sender gave up"));
    });
    request.pipe(parser);
  });
}

function openParser(request: IncomingMessage, maxBytes: number): busboy.Busboy {
  try {
    return busboy({
      headers: request.headers,
      preservePath: true, // a name with a path in it is refused, not quietly shortened
      defParamCharset: "utf8",
      limits: { files: 2, fileSize: maxBytes + 1, fields: FIELDS, fieldSize: FIELD_BYTES, headerPairs: 50 },
    });
  } catch {
    throw badRequest("This is not a form.", "Send it as multipart/form-data.");
  }
}

/** Writes a stream into a new file. @returns its sha256 */
async function store(stream: Readable, path: string): Promise<string> {
  const hash = createHash("sha256");
  const tap = new Transform({
    transform(chunk: Buffer, _, next) {
      hash.update(chunk);
      next(null, chunk);
    },
  });
  await pipeline(stream, tap, createWriteStream(path, { flags: "wx" }));
  return hash.digest("hex");
}

/** Only pictures, judged by what is in them: the name has to say nothing else. */
async function judge({ file }: Form, limits: Limits): Promise<void> {
  const extension = extname(file.name).toLowerCase();
  if (extension !== "" && !PHOTO_EXTENSIONS.has(extension)) {
    throw badRequest(
      `Files that end in "${extension}" are not taken.`,
      "JPEG, PNG, TIFF, WebP, AVIF and GIF can be uploaded.",
    );
  }
  try {
    await inspectImage(file.path, limits);
  } catch (error) {
    if (!(error instanceof AutochromeError)) throw error;
    // its own name, not that of the file it lies in for now
    const message = error.message.replaceAll(basename(file.path), file.name);
    throw new AutochromeError(error.code, message, error.next, { cause: error });
  }
}

/** Puts a picture where the form wants it, under a name that is free or already its own. */
async function keep(
  form: Form,
  path: string,
  sha256: string,
  name: string,
  folders: Folders,
): Promise<z.infer<typeof uploadedSchema>> {
  const type = folderType(form.fields.get("type") ?? "input");
  const subfolder = namesOf(form.fields.get("subfolder") ?? "").join("/");
  const overwrite = ["true", "1"].includes(form.fields.get("overwrite") ?? "");
  const { name: stem, ext } = parsePath(name);
  for (let number = 0; ; number++) {
    const filename = number === 0 ? name : `${stem} (${number})${ext}`;
    const target = await folders.place({ type, subfolder, filename });
    try {
      await copyAtomically(path, target, { overwrite });
      return { name: filename, subfolder, type };
    } catch (error) {
      if (!(error instanceof AutochromeError && error.code === "output-exists")) throw error;
    }
    if (await isSame(target, path, sha256)) {
      await utimes(target, new Date(), new Date()); // wanted again: the cleaning shall not take it for old
      return { name: filename, subfolder, type };
    }
  }
}

async function isSame(target: string, path: string, sha256: string): Promise<boolean> {
  const [there, ours] = [await stat(target), await stat(path)];
  return there.isFile() && there.size === ours.size && (await hashFile(target)) === sha256;
}

async function findOriginal(form: Form, folders: Folders): Promise<string> {
  let value: unknown;
  try {
    value = JSON.parse(form.fields.get("original_ref") ?? "");
  } catch {
    value = undefined;
  }
  const parsed = originalSchema.safeParse(value);
  if (!parsed.success) {
    throw badRequest(
      "original_ref does not say which picture the mask is for.",
      'Send JSON: {"filename": "…"}.',
    );
  }
  const { filename, subfolder = "", type = "output" } = parsed.data;
  const found = await folders.locate({ filename, subfolder, type: folderType(type) });
  if (found !== undefined) return found;
  throw badRequest("The picture that the mask is for is not there.", "Upload it first.");
}

function folderType(text: string): FolderType {
  if (isFolderType(text)) return text;
  throw badRequest(`There is no folder called "${text}".`, "It is one of input, output, temp.");
}

function tooLarge(maxBytes: number) {
  const megabytes = Number((maxBytes / 1e6).toPrecision(3));
  return refusal({
    status: 413,
    code: "too-large",
    message: `The file is larger than ${megabytes} MB, the most that is taken.`,
    next: "Send a smaller one, or raise the setting uploadMaxMb.",
  });
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && "code" in error && error.code !== "ECONNRESET";
}
