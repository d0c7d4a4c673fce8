// Versions for windows: decisions about them, a look at other colours, new versions with other colours, masks.
//
// Owns: those answers. Pictures of versions are elsewhere. Must never: change a version's picture.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "@hono/zod-openapi";
import { hasMask, keepMask, openTuning, queueTuning } from "../../batches/index.ts";
import { changeVersion, findVersion } from "../../catalogue/index.ts";
import { inspectImage } from "../../imaging/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import { badRequest, refusal } from "../answers.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH, unlessLeft } from "./answering.ts";
import { versionCard } from "./cards.ts";
import {
  routes as at,
  batchSchema,
  maskSchema,
  tuneRequestSchema,
  tuneSchema,
  versionCardSchema,
  versionChangeSchema,
} from "./contract.ts";
import type { Desk } from "./desk.ts";
import { createTuningTables } from "./tuning-tables.ts";

/** Somebody waits for these; whole albums are not as urgent. */
const SOON = 10;

export function versionRoutes(routes: ApiRoutes, desk: Desk): void {
  const { library, surroundings, conductor, events } = desk;
  const tag = "Library";
  const gone = "It is not there any more";
  const tables = createTuningTables({ open: (version) => openTuning(library, surroundings, version) });
  desk.closing?.addEventListener("abort", () => void tables.close(), { once: true });

  endpoint(
    routes,
    {
      ...at.changeVersion,
      tag,
      summary: "Accepts, rejects or rates a version, or notes something about it",
      body: versionChangeSchema,
      answers: { 200: { description: "The version", schema: versionCardSchema }, 404: gone },
    },
    (c, { body, param }) => {
      const version = changeVersion(library.db, param("id"), body);
      events.publish({ type: "photos", ids: [version.photoId] });
      return c.json(versionCard(version), 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.look,
      tag,
      summary:
        "A look at a version with other colours, without the network; of several only the latest is made",
      body: tuneSchema,
      answers: {
        200: { description: "JPEG", type: "image/jpeg", schema: z.string().openapi({ format: "binary" }) },
        400: "Its colours cannot be tuned",
        404: gone,
        409: "A later look was asked for",
      },
    },
    (c, { body, param }) =>
      unlessLeft(c, async (signal) => {
        await requireMask(body.mask);
        try {
          const look = await tables.look(param("id"), body, signal);
          return new Response(new Uint8Array(look), { headers: { ...FRESH, "Content-Type": "image/jpeg" } });
        } catch (thrown) {
          if (!(thrown instanceof AutochromeError) || thrown.code !== "interrupted") throw thrown;
          throw refusal({ status: 409, code: thrown.code, message: thrown.message, next: thrown.next });
        }
      }),
  );

  endpoint(
    routes,
    {
      ...at.tune,
      tag,
      summary: "Makes new versions with other colours, each from one of these; the network does not run",
      body: tuneRequestSchema,
      answers: { 200: { description: "The batch", schema: batchSchema }, 400: "Cannot be tuned", 404: gone },
    },
    async (c, { body }) => {
      await requireMask(body.tune.mask);
      const versions = [...new Set(body.versions)];
      const { id } = queueTuning(library, versions, body.tune, { executor: "local", priority: SOON });
      conductor.wake(id);
      const photos = versions.flatMap((version) => findVersion(library.db, version)?.photoId ?? []);
      events.publish({ type: "photos", ids: photos });
      return c.json(conductor.facts(id), 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.putMask,
      tag,
      summary: "Keeps a mask, white where colours are to be tuned; its name goes into a tuning",
      upload: { type: "image/png", schema: z.string().openapi({ format: "binary" }) },
      answers: { 200: { description: "Its name", schema: maskSchema }, 400: "Not a PNG", 413: "Too large" },
    },
    async (c) => {
      const folder = await mkdtemp(join(tmpdir(), "autochrome-mask-"));
      try {
        const file = join(folder, "mask.png");
        await writeFile(file, new Uint8Array(await c.req.arrayBuffer()));
        const { format } = await inspectImage(file, surroundings.limits);
        if (format !== "png") throw badRequest("A mask is a PNG.", "Send it as one.");
        return c.json({ mask: await keepMask(library, surroundings.workers, file) }, 200, FRESH);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );

  /** @throws AutochromeError "not-found" for a mask that was never put */
  async function requireMask(mask: string | null | undefined): Promise<void> {
    if (mask === undefined || mask === null || (await hasMask(library, mask))) return;
    throw new AutochromeError("not-found", "This mask is not there any more.", "Brush it again.");
  }
}
