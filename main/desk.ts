// What the library's routes work with, made of the parts of the engine: settings, plans, places, devices, clusters.
//
// Owns: what is remembered between two questions (devices), and the names that come from a window becoming workflows and
// places. Must never: take a path, or an address to send photos to, from somebody who does not sit at this computer.
import {
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
} from "../app/api/index.ts";
import { listContexts } from "../app/cluster/index.ts";
import type { DeviceReport } from "../app/colorize/index.ts";
import {
  AutochromeError,
  type Config,
  changeConfig,
  configFile,
  environmentSettings,
  type Logger,
} from "../app/kernel/index.ts";
import { listPresets } from "../app/workflow/index.ts";
import { examineCluster } from "./cli/cluster.ts";
import type { Engine } from "./cli/engine.ts";
import { placeFor } from "./cli/place.ts";
import { planFrom } from "./cli/plan.ts";
import { AUTO, suggestedPlan } from "./cli/suggested.ts";
import { deviceInWords, examineDevices, judgeDevices } from "./devices.ts";
import { examineHealth, findingInWords, withoutHome } from "./health.ts";

export interface DeskOptions {
  readonly engine: Engine;
  readonly log: Logger;
  /** Whether only people at this computer reach the service. */
  readonly isLocal: boolean;
  /** Settings that were given on the command line. */
  readonly given: readonly (keyof Config)[];
}

/** What `planFrom` runs when no workflow is named. */
const PLAIN = "quick";

/** Opens the library. Closed before the engine is. @throws AutochromeError as openLibrary does */
export async function openDesk(options: DeskOptions): Promise<Desk & { close(): Promise<void> }> {
  const { engine, log, isLocal } = options;
  const library = await engine.library();
  const surroundings = engine.surroundings();
  const doors = doorsOf(options, library);
  const events = createEventBus();
  const jobs = createJobs({ events, log });
  const conductor = createConductor({ library, events, log, executorFor: doors.executorFor });
  const closing = new AbortController();
  const desk = {
    library,
    surroundings,
    log,
    events,
    jobs,
    conductor,
    doors,
    isLocal,
    closing: closing.signal,
  };
  const watcher = watchFolders(desk);
  return {
    ...desk,
    async close() {
      closing.abort();
      await watcher.close();
      await jobs.close();
      await conductor.close();
      events.close();
    },
  };
}

function doorsOf({ engine, log, isLocal, given }: DeskOptions, library: Desk["library"]): Doors {
  /** What was found when the devices were last tried. */
  let tried: Promise<readonly DeviceReport[]> | undefined;
  const tryDevices = () => {
    const found = examineDevices(engine.config, log).then(({ reports }) => reports);
    tried = found;
    found.catch(() => {
      if (tried === found) tried = undefined;
    });
    return found;
  };

  return {
    config: () => engine.config,
    fixedSettings: () => [...new Set([...environmentSettings(), ...given])],
    settingsFile: () => configFile(),
    async changeSettings(changes) {
      const entries = Object.entries(changes).map(([key, value]) => [key, value ?? undefined]);
      await changeConfig(Object.fromEntries(entries));
      if ("gpuLibraries" in changes) tried = undefined;
      engine.reload();
    },
    planFor: (wish) => planFor(engine, library, wish),
    async placeFor(on, plan, photos, say) {
      const isServer = /^https?:$/.test(URL.parse(on)?.protocol ?? "");
      if (isServer && !isLocal) {
        throw new AutochromeError(
          "usage",
          "Which server photos are sent to is chosen at the computer that Autochrome runs on.",
          "Choose auto, local, cluster or mixed.",
        );
      }
      if (isServer || ["auto", "local", "cluster", "mixed"].includes(on))
        return placeFor(engine, on, plan, photos, say);
      throw new AutochromeError(
        "usage",
        `${on} is no place to run.`,
        "Choose auto, local, cluster or mixed.",
      );
    },
    executorFor: (name, onWords) => engine.executorFor(name, onWords),
    suggester: () => engine.suggester(),
    async devices(isFresh) {
      const reports = await (isFresh ? tryDevices() : (tried ?? tryDevices()));
      const { used } = await judgeDevices(engine.config, log, reports);
      return reports.map((report) => deviceFacts(report, used));
    },
    async contexts() {
      const { contexts, current } = await listContexts(engine.config);
      return { contexts: [...contexts], current: engine.config.kubeContext ?? current };
    },
    async checkCluster() {
      try {
        return [...(await examineCluster(engine.config)).findings];
      } catch (thrown) {
        if (!(thrown instanceof AutochromeError)) throw thrown;
        return [{ about: "kubeconfig", ok: false, found: thrown.message, next: thrown.next }];
      }
    },
    async health() {
      const lines: string[] = [];
      const { config, libraryFolder } = engine;
      for await (const finding of examineHealth({ config, libraryFolder, log }))
        lines.push(...findingInWords(finding));
      return withoutHome(`${lines.join("\n")}\n`);
    },
  };
}

/**
 * The plan that a window wishes. Workflows are named, never given by a path: presets, or those that were saved in the library.
 * The plain preset means what the command line does without a workflow: the size of the settings, or else of the model.
 */
async function planFor(engine: Engine, library: Desk["library"], wish: PlanWish): Promise<PlanAnswer> {
  const { workflow, models: model, modelSizes: modelSize, colorFactor } = wish;
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const flags = {
    ...(model === undefined ? {} : { model }),
    ...(modelSize === undefined ? {} : { modelSize }),
    ...(colorFactor === undefined ? {} : { colorFactor }),
  };
  if (workflow === AUTO) {
    const { plan, choose } = await suggestedPlan(engine, flags, "adopt", say);
    return { plan, choose: async ({ path }, signal) => [await choose(path, signal)], said };
  }
  if (workflow === PLAIN) return { plan: await planFrom(engine.config, flags, "adopt", say), said };
  if (listPresets().some(({ alias }) => alias === workflow)) {
    return { plan: await planFrom(engine.config, { ...flags, workflow }, "adopt", say), said };
  }
  const path = await findWorkflow(library, workflow);
  if (path === undefined) {
    throw new AutochromeError("not-found", `There is no workflow called ${workflow}.`, "Choose another one.");
  }
  const plan = await planFrom(engine.config, { ...flags, workflow: path }, "adopt", say);
  const named = plan.variants.map((variant) =>
    variant.name === path ? { ...variant, name: workflow } : variant,
  );
  return { plan: { ...plan, variants: named }, said };
}

function deviceFacts(report: DeviceReport, used: string | undefined): DeviceFacts {
  const { device, works, next } = report;
  return {
    ...{ device, works, isUsed: device === used, sentence: deviceInWords(report) },
    ...(next === undefined ? {} : { next }),
  };
}
