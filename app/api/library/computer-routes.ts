// What the computer and the cluster can do: devices, contexts, checks, and the report for whoever helps.
// Must never: try anything that nobody asked for.
import { z } from "@hono/zod-openapi";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { routes as at, contextsSchema, deviceSchema, findingSchema } from "./contract.ts";
import type { Desk } from "./desk.ts";

export function computerRoutes(routes: ApiRoutes, { doors }: Pick<Desk, "doors">): void {
  const tag = "Library";
  endpoint(
    routes,
    {
      ...at.devices,
      tag,
      summary: "What could run the network here, and which of it does; fresh=true tries everything anew",
      query: z.object({ fresh: z.stringbool().default(false) }),
      answers: { 200: { description: "Devices", schema: z.object({ devices: z.array(deviceSchema) }) } },
    },
    async (c, { query }) => c.json({ devices: await doors.devices(query.fresh) }),
  );
  endpoint(
    routes,
    {
      ...at.contexts,
      tag,
      summary: "Contexts of the kubeconfig",
      answers: { 200: { description: "Names; none without a kubeconfig", schema: contextsSchema } },
    },
    async (c) => c.json(await doors.contexts()),
  );
  endpoint(
    routes,
    {
      ...at.checkCluster,
      tag,
      summary: "Looks at everything on the cluster that a batch needs; changes nothing there",
      answers: { 200: { description: "Findings", schema: z.object({ findings: z.array(findingSchema) }) } },
    },
    async (c) => c.json({ findings: await doors.checkCluster() }),
  );
  endpoint(
    routes,
    {
      ...at.healthReport,
      tag,
      summary: "A report to paste into an issue; the home folder is written as ~",
      answers: { 200: { description: "Lines of text", schema: z.object({ text: z.string() }) } },
    },
    async (c) => c.json({ text: await doors.health() }),
  );
}
