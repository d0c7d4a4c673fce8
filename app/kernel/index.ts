// The kernel: errors, settings, logging, ids, paths, atomic files. Small, and used by all rooms.
// Must never: import another room.
export {
  type AtomicOptions,
  copyAtomically,
  isTemporaryName,
  sweepLeftovers,
  temporaryBeside,
  writeAtomically,
  writeFileAtomically,
} from "./atomic.ts";
export {
  type Config,
  changeConfig,
  configSchema,
  environmentName,
  environmentSettings,
  isSetting,
  loadConfig,
} from "./config.ts";
export { configFile } from "./config-file.ts";
export { type Threads, threadsOf } from "./effort.ts";
export {
  AutochromeError,
  type ErrorCode,
  type ErrorRecord,
  errorFromRecord,
  toErrorRecord,
} from "./errors.ts";
export { hashFile } from "./hash.ts";
export { isId, newId } from "./ids.ts";
export { createLogger, type Logger, silentLogger } from "./log.ts";
export {
  cacheFolder,
  configFolder,
  createNames,
  dataFolder,
  defaultLibraryFolder,
  isInside,
  portableName,
  realTarget,
  resolveInside,
} from "./paths.ts";
export { SOFTWARE, VERSION } from "./version.ts";
