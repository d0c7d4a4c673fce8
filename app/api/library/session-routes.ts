// Review sessions for windows: made, renamed, filled, deleted, and written down as a report.
// Must never: decide about a version; that is done by version.
import { z } from "@hono/zod-openapi";
import {
  changeSession,
  createSession,
  deleteSession,
  getSession,
  listSessions,
} from "../../catalogue/index.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { FRESH } from "./answering.ts";
import { requireLocal, requireOutside } from "./computer-paths.ts";
import {
  routes as at,
  newSessionSchema,
  reportRequestSchema,
  sessionChangeSchema,
  sessionSchema,
  startedSchema,
} from "./contract.ts";
import type { Desk } from "./desk.ts";
import { writeReport } from "./report.ts";
import { reportWords } from "./report-words.ts";

export function sessionRoutes(routes: ApiRoutes, desk: Desk): void {
  const { library, events, jobs, surroundings } = desk;
  const tag = "Library";
  const session = { description: "The session", schema: sessionSchema };
  const gone = "It, or one of the photos, is not there any more";

  endpoint(
    routes,
    {
      ...at.sessions,
      tag,
      summary: "Review sessions, newest first; a layout's query asks for the photos of one",
      answers: { 200: { description: "Sessions", schema: z.object({ sessions: z.array(sessionSchema) }) } },
    },
    (c) => c.json({ sessions: listSessions(library) }, 200, FRESH),
  );

  endpoint(
    routes,
    {
      ...at.createSession,
      tag,
      summary: "Makes a session of these photos",
      body: newSessionSchema,
      answers: { 200: session, 404: gone },
    },
    (c, { body }) => {
      const made = createSession(library, body);
      events.publish({ type: "library" });
      return c.json(made, 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.changeSession,
      tag,
      summary: "Gives a session another name, note or other photos",
      body: sessionChangeSchema,
      answers: { 200: session, 404: gone },
    },
    (c, { body: { name, note, photos }, param }) => {
      const change = {
        ...(name === undefined ? {} : { name }),
        ...(note === undefined ? {} : { note }),
        ...(photos === undefined ? {} : { photos }),
      };
      const changed = changeSession(library, param("id"), change);
      events.publish({ type: "library" });
      return c.json(changed, 200, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.deleteSession,
      tag,
      summary: "Deletes a session; its photos and what was decided stay",
      answers: { 204: "It is deleted", 404: gone },
    },
    (c, { param }) => {
      deleteSession(library, param("id"));
      events.publish({ type: "library" });
      return c.body(null, 204, FRESH);
    },
  );

  endpoint(
    routes,
    {
      ...at.report,
      tag,
      summary: "Writes a session down as one HTML file, in the request's language",
      body: reportRequestSchema,
      answers: {
        200: { description: "The job", schema: startedSchema },
        403: "Only at the computer itself",
        404: gone,
      },
    },
    async (c, { body, param }) => {
      requireLocal(desk);
      const out = await requireOutside(library, body.out);
      const { id } = getSession(library, param("id"));
      const words = reportWords(c.req.header("Accept-Language"));
      const job = jobs.start("report", async (report, signal) => ({
        output: await writeReport({
          ...{ library, workers: surroundings.workers, session: id, out, words, signal, report },
        }),
      }));
      return c.json({ job }, 200, FRESH);
    },
  );
}
