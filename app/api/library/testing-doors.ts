// Doors over a settings file of the test's own, for the routes that deal with settings; the others refuse.
// Must never: be imported by anything but tests.
import { join } from "node:path";
import { changeConfig, environmentSettings, loadConfig } from "../../kernel/index.ts";
import type { Doors } from "./desk.ts";

/** @param environment more of it, in the form AUTOCHROME_… */
export function settingsDoors(folder: string, environment: Record<string, string> = {}): Doors {
  const file = join(folder, "config.json");
  const all = { AUTOCHROME_CONFIG: file, ...environment };
  const absent = async (): Promise<never> => {
    throw new Error("this test's doors cannot do that");
  };
  return {
    config: () => loadConfig(all),
    fixedSettings: () => environmentSettings(all),
    settingsFile: () => file,
    changeSettings(changes) {
      const entries = Object.entries(changes).map(([key, value]) => [key, value ?? undefined]);
      return changeConfig(Object.fromEntries(entries), all);
    },
    planFor: absent,
    placeFor: absent,
    executorFor: absent,
    suggester() {
      throw new Error("this test's doors cannot suggest");
    },
    devices: absent,
    contexts: absent,
    checkCluster: absent,
    health: absent,
  };
}
