// The OpenAPI document. Owns: how the routes' descriptions become one document in which doubled routes stand once.
// Must never: describe a route by hand that could describe itself.
import { VERSION } from "../kernel/index.ts";
import { type ApiRoutes, createRoutes } from "./endpoint.ts";

const ABOUT =
  `ComfyUI's interface, served by Autochrome. Every route answers at its address and again below /api;
/library, /blobs, /internal, /healthz, /readyz, /metrics, /openapi.json, / and /window/ are there once. Events come over a WebSocket at /ws?clientId=….
Failures are {"error": {code, message, next}}, except where ComfyUI has a shape of its own (POST /prompt).`.replaceAll(
    "\n",
    " ",
  );

/** @param doubled routes at "/" and "/api" @param bare routes at "/" only @param prefixed routes at "/api" only */
export function openApiDocument(doubled: readonly ApiRoutes[], bare: ApiRoutes, prefixed: ApiRoutes): object {
  const all = createRoutes();
  const { openAPIRegistry } = all;
  openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  openAPIRegistry.registerComponent("securitySchemes", "key", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
  });
  openAPIRegistry.registerComponent("securitySchemes", "query", {
    type: "apiKey",
    in: "query",
    name: "token",
    description: "For GET /view, /ws, / and /window/ only",
  });
  for (const routes of [...doubled, bare]) all.route("/", routes);
  all.route("/api", prefixed);
  return all.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Autochrome",
      version: VERSION,
      description: ABOUT,
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }, { key: [] }, { query: [] }, {}],
  });
}
