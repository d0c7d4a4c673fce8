// Settings as the window shows them.
//
// Owns: which settings can be seen and changed there, and when a change takes effect. Who may come in to the service and how
// is not among them: nobody who is in may open the door wider. Must never: tell a secret.
import { AutochromeError, type Config, isSetting } from "../../kernel/index.ts";
import { type ApiRoutes, endpoint } from "../endpoint.ts";
import { routes as at, type SettingsFacts, settingsChangeSchema, settingsSchema } from "./contract.ts";
import type { Desk } from "./desk.ts";
import { forbidden } from "./problems.ts";

interface Shown {
  /** Only the next start of the engine reads it. */
  readonly isForStart?: true;
  readonly isSecret?: true;
  /** It names files, programs or places of the engine's computer: changed by people at that computer only. */
  readonly isOfComputer?: true;
}

const PATH = { isOfComputer: true } as const;
const START = { isForStart: true } as const;

const SHOWN: Partial<Record<keyof Config, Shown>> = {
  library: { ...PATH, ...START },
  model: {},
  models: { ...PATH, ...START },
  modelMirrors: PATH,
  device: {},
  gpuLibraries: PATH,
  effort: START,
  suggest: {},
  modelSize: {},
  workers: START,
  inferenceThreads: START,
  quality: {},
  imageModels: { ...PATH, ...START },
  maxMegapixels: START,
  logLevel: START,
  uploadMaxMb: START,
  uploadMaxDays: START,
  outputMaxDays: START,
  tempMaxDays: START,
  outputMaxGb: START,
  tempMaxGb: START,
  remoteKey: { ...PATH, isSecret: true },
  kubeconfig: PATH,
  kubeContext: PATH,
  kubeNamespace: PATH,
  clusterImage: PATH,
  clusterGpu: PATH,
  clusterPods: PATH,
  clusterPhotosPerPod: PATH,
  clusterStore: PATH,
  clusterStoreKey: { ...PATH, isSecret: true },
  clusterStoreInside: PATH,
  clusterStoreCa: PATH,
  clusterQueue: PATH,
};
const KEYS = Object.keys(SHOWN).filter(isSetting);

export function settingsRoutes(routes: ApiRoutes, desk: Pick<Desk, "doors" | "events" | "isLocal">): void {
  const atStart = desk.doors.config();
  const answers = { 200: { description: "Settings", schema: settingsSchema } };
  endpoint(
    routes,
    { ...at.settings, tag: "Library", summary: "Settings; of secrets only whether they are set", answers },
    (c) => c.json(factsOf(desk, atStart)),
  );
  endpoint(
    routes,
    {
      ...at.changeSettings,
      tag: "Library",
      summary: "Changes some settings, all or none of them",
      body: settingsChangeSchema,
      answers: { ...answers, 400: "A value is not valid", 403: "Only at the engine's computer" },
    },
    async (c, { body }) => {
      for (const key of Object.keys(body)) {
        const shown = isSetting(key) ? SHOWN[key] : undefined;
        if (shown === undefined) throw unknownSetting(key);
        if (shown.isOfComputer && !desk.isLocal) {
          throw forbidden(
            `The setting ${key} can be changed only at the computer that Autochrome runs on.`,
            "Change it there, or ask who runs the service.",
          );
        }
      }
      const changes = Object.entries(body).map(([key, value]) => [key, value === "" ? null : value]);
      await changeSettings(desk, Object.fromEntries(changes));
      return c.json(factsOf(desk, atStart));
    },
  );
}

/**
 * Changes settings and tells all windows. @param changes null takes one out
 * @throws AutochromeError "usage" for what is not valid, or is set in the environment, so that the file does not count
 */
export async function changeSettings(
  { doors, events }: Pick<Desk, "doors" | "events">,
  changes: Readonly<Record<string, unknown>>,
): Promise<void> {
  const fixed = Object.keys(changes).find((key) => doors.fixedSettings().includes(key));
  if (fixed !== undefined) {
    throw new AutochromeError(
      "usage",
      `The setting ${fixed} was given when Autochrome was started, and cannot be changed here.`,
      "Change it where Autochrome is started.",
    );
  }
  await doors.changeSettings(changes);
  events.publish({ type: "settings" });
}

function factsOf({ doors }: Pick<Desk, "doors">, atStart: Config): SettingsFacts {
  const config = doors.config();
  const text = (key: keyof Config) => JSON.stringify(config[key]);
  return {
    values: Object.fromEntries(KEYS.map((key) => [key, told(key, config)])),
    fixed: doors.fixedSettings().filter((key) => isSetting(key) && SHOWN[key] !== undefined),
    file: doors.settingsFile(),
    secrets: KEYS.filter((key) => SHOWN[key]?.isSecret),
    restart: KEYS.filter((key) => SHOWN[key]?.isForStart && text(key) !== JSON.stringify(atStart[key])),
  };
}

function told(key: keyof Config, config: Config): SettingsFacts["values"][string] {
  const value = config[key];
  if (SHOWN[key]?.isSecret) return value !== undefined;
  return Array.isArray(value) ? value.join(", ") : (value ?? null);
}

function unknownSetting(key: string): AutochromeError {
  return new AutochromeError(
    "usage",
    `The setting ${key} cannot be changed here.`,
    "Change it in the settings file, if there is such a setting.",
  );
}
