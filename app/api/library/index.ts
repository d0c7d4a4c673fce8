// The library's routes: what the window asks the engine. One place in which all of them are mounted.
// Owns: nothing but that. Must never: answer by itself.
import { type ApiRoutes, createRoutes } from "../endpoint.ts";
import { albumRoutes } from "./album-routes.ts";
import { batchRoutes } from "./batch-routes.ts";
import { computerRoutes } from "./computer-routes.ts";
import type { Desk } from "./desk.ts";
import { eventRoutes } from "./events.ts";
import { exportRoutes } from "./export-routes.ts";
import { importRoutes } from "./import-routes.ts";
import { jobRoutes } from "./jobs.ts";
import { modelRoutes } from "./model-routes.ts";
import { photoRoutes } from "./photo-routes.ts";
import { pictureRoutes } from "./picture-routes.ts";
import { sessionRoutes } from "./session-routes.ts";
import { settingsRoutes } from "./settings-routes.ts";
import { versionRoutes } from "./version-routes.ts";
import { windowStateRoutes } from "./window-state.ts";
import { workflowRoutes } from "./workflow-routes.ts";

export { type Conductor, createConductor } from "./conductor.ts";
export type { DeviceFacts, Finding } from "./contract.ts";
export type { Desk, Doors, PlanAnswer, PlanWish } from "./desk.ts";
export { createEventBus } from "./events.ts";
export { createJobs } from "./jobs.ts";
export { watchFolders } from "./watcher.ts";
export { findWorkflow } from "./workflow-files.ts";

const ALL = [
  eventRoutes,
  photoRoutes,
  pictureRoutes,
  albumRoutes,
  jobRoutes,
  batchRoutes,
  importRoutes,
  exportRoutes,
  versionRoutes,
  sessionRoutes,
  workflowRoutes,
  modelRoutes,
  computerRoutes,
  settingsRoutes,
  windowStateRoutes,
] as const;

/** All routes below /library. */
export function libraryRoutes(desk: Desk): ApiRoutes {
  const routes = createRoutes();
  for (const mount of ALL) mount(routes, desk);
  return routes;
}
