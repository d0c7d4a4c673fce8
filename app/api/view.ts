// Pictures out of the service's folders: as they are, as a smaller preview, or by channel.
// Owns: /view and what it may show. Must never: serve anything that a browser could take for a page.
import { z } from "@hono/zod-openapi";
import { channelOfFile, type Limits, previewOfFile } from "../imaging/index.ts";
import { AutochromeError } from "../kernel/index.ts";
import type { FileReference } from "../workflow/index.ts";
import { badRequest, notFound, refusal } from "./answers.ts";
import { type ApiRoutes, endpoint } from "./endpoint.ts";
import { annotated, type Folders, isFolderType, namesOf } from "./folders.ts";
import { disposition, sendFile, untrustedFileHeaders } from "./send-file.ts";

export interface ViewOptions {
  readonly folders: Folders;
  readonly limits: Limits;
}

const QUALITY = 90;

const querySchema = z.object({
  filename: z.string().optional().openapi({ description: 'May end in " [input]", " [output]" or " [temp]"' }),
  type: z.string().optional().openapi({ description: "input, output (standard) or temp" }),
  subfolder: z.string().optional(),
  preview: z.string().optional().openapi({ description: '"webp" or "jpeg", with a quality: "webp;90"' }),
  channel: z.string().optional().openapi({ description: "rgba (standard), rgb, or a" }),
});

export function viewRoutes(routes: ApiRoutes, { folders, limits }: ViewOptions): void {
  endpoint(
    routes,
    {
      method: "get",
      path: "/view",
      tag: "Files",
      summary: "A picture of the service, with ranges and ETag; or a preview or one channel of it.",
      query: querySchema,
      answers: {
        200: {
          description: "The picture",
          type: "image/*",
          schema: z.string().openapi({ format: "binary" }),
        },
        206: "A part of it",
        304: "Not changed",
        400: "A name that is not taken, or no folder of this kind",
        403: "The subfolder leads out",
        404: "There is no such file",
      },
    },
    async (c, { query }) => {
      if (query.filename === undefined) throw notFound("No file was asked for.", "Add filename=…");
      const reference = referenceOf(query.filename, query.type, query.subfolder);
      const path = await folders.locate(reference);
      if (path === undefined) throw notFound("This file is not there.", "It may have been cleaned away.");
      const name = reference.filename;
      const { preview, channel = "" } = query;
      if (preview !== undefined) {
        const { format, quality } = previewWish(preview, channel);
        const bytes = await previewOfFile(path, { format, quality, isOpaque: channel === "rgb" }, limits);
        return shown(c.req.method, name, { bytes, type: `image/${format}` });
      }
      if (channel === "rgb" || channel === "a") {
        return shown(c.req.method, name, {
          bytes: await channelOfFile(path, channel, limits),
          type: "image/png",
        });
      }
      return sendFile(c, path, untrustedFileHeaders(name));
    },
  );
  endpoint(
    routes,
    {
      method: "get",
      path: "/view_metadata/{folder}",
      tag: "Models",
      summary: "Metadata inside a .safetensors file. There are none here: models are ONNX files.",
      query: z.object({ filename: z.string().optional() }),
      answers: { 404: "There is no such file" },
    },
    () => {
      throw notFound("There is no such file.");
    },
  );
}

/** What a client means by its three words. */
function referenceOf(filename: string, type = "output", subfolder = ""): FileReference {
  if (!isFolderType(type)) {
    throw badRequest(`There is no folder called "${type}".`, "It is one of input, output, temp.");
  }
  const { name, type: meant } = annotated(filename, type);
  if (name === "") throw badRequest("The file's name is empty.");
  try {
    namesOf(subfolder);
  } catch (error) {
    if (!(error instanceof AutochromeError)) throw error;
    throw refusal({ status: 403, code: error.code, message: error.message, next: error.next }); // as ComfyUI does
  }
  return { filename: name, subfolder, type: meant };
}

interface Shown {
  readonly bytes: Buffer;
  readonly type: string;
}

function shown(method: string, name: string, { bytes, type }: Shown): Response {
  const headers = {
    "Content-Type": type,
    "Content-Disposition": disposition("inline", name),
    "Content-Length": String(bytes.length),
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
  };
  return new Response(method === "HEAD" ? null : new Uint8Array(bytes), { headers });
}

/** ComfyUI's "webp;90": what is no format is WebP, and only WebP has alpha. */
function previewWish(wish: string, channel: string): { format: "jpeg" | "webp"; quality: number } {
  const words = wish.split(";");
  const last = words.at(-1) ?? "";
  const quality = /^\d{1,3}$/.test(last) ? Math.min(100, Math.max(1, Number(last))) : QUALITY;
  return { format: words[0] === "jpeg" && !channel.includes("a") ? "jpeg" : "webp", quality };
}
