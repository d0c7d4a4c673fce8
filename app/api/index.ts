// The HTTP room: ComfyUI's interface for the queue of prompts, the library for the window. One app, one server.
// Owns: what travels over HTTP and WebSockets, who is let in, the service's folders.
// Must never: colour anything, know a command line, or let a client's name reach the disk unchecked.
export { type Folders, openFolders } from "./folders.ts";
export { createLogTail, type LogTail } from "./internal.ts";
export {
  createConductor,
  createEventBus,
  createJobs,
  type Desk,
  type DeviceFacts,
  type Doors,
  findWorkflow,
  type PlanAnswer,
  type PlanWish,
  watchFolders,
} from "./library/index.ts";
export type { Retention, RetentionRules } from "./retention.ts";
export { createGate, type Gate, isLoopback, type SecuritySettings } from "./security.ts";
export { createService, type Service, type ServiceOptions } from "./service.ts";
