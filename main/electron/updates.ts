// Updates: looked for only where they are on, fetched and installed only when asked. An archive's computer has them off.
// Must never: reach the network while they are off.
import type { Updates } from "./contract.ts";

/** What is used of electron-updater. */
export interface Updater {
  autoDownload: boolean;
  autoInstallOnAppQuit: boolean;
  on(
    event: "update-available" | "update-downloaded",
    listener: (info: { readonly version: string }) => void,
  ): unknown;
  on(event: "update-not-available", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  checkForUpdates(): Promise<unknown>;
  quitAndInstall(): void;
}

export interface UpdateKeeper {
  facts(): Updates;
  set(mode: "on" | "off"): Updates;
  install(): void;
}

/** @param keep remembers the mode */
export function createUpdates(
  updater: Updater,
  mode: "on" | "off",
  keep: (mode: "on" | "off") => void,
  tell: (updates: Updates) => void,
): UpdateKeeper {
  let facts: Updates = { mode, state: "idle" };
  const change = (changes: Partial<Updates>): Updates => {
    facts = { ...facts, ...changes };
    tell(facts);
    return facts;
  };
  const look = () => {
    if (facts.mode === "off") return;
    change({ state: "looking" });
    updater.checkForUpdates().catch((error: unknown) => change({ state: "failed", error: String(error) }));
  };
  updater.autoDownload = true;
  updater.autoInstallOnAppQuit = false;
  updater.on("update-not-available", () => change({ state: "none" }));
  updater.on("update-available", ({ version }) => change({ state: "loading", version }));
  updater.on("update-downloaded", ({ version }) => change({ state: "ready", version }));
  updater.on("error", (error) => change({ state: "failed", error: error.message }));
  look();
  return {
    facts: () => facts,
    set(next) {
      keep(next);
      change({ mode: next, ...(next === "off" ? { state: "idle" } : {}) });
      look();
      return facts;
    },
    install() {
      if (facts.mode === "on" && facts.state === "ready") updater.quitAndInstall();
    },
  };
}
