// Electron's entry: finds what was packed, and runs the shell on it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as electron from "electron";
import electronUpdater from "electron-updater";
import { startShell } from "./shell.ts";

const { app } = electron;
const here = import.meta.dirname;
// Packed: resources/engine with a Node of its own. Else: the repository, three folders up from main/electron/dist.
const packed = join(process.resourcesPath, "engine");
const root = app.isPackaged ? packed : join(here, "..", "..", "..");
const bundledNode = join(packed, "node", process.platform === "win32" ? "node.exe" : "bin/node");
const ownNode = join(root, "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node");

startShell({
  electron,
  updater: electronUpdater.autoUpdater,
  engine: {
    command: app.isPackaged ? bundledNode : existsSync(ownNode) ? ownNode : "node",
    args: [
      join("main", "cli", "autochrome.ts"),
      ...["serve", "--host", "127.0.0.1", "--port", "0", "--until-stdin-closes", "--json"],
    ],
    cwd: root,
  },
  preload: join(here, "preload.cjs"),
  crashPage: pathToFileURL(join(here, "crash.html")).href,
  // Only where whoever packed it said where updates lie, and no administrator said no.
  updates:
    existsSync(join(process.resourcesPath, "app-update.yml")) && process.env.AUTOCHROME_UPDATES !== "off"
      ? undefined
      : "off",
  argv: process.argv.slice(app.isPackaged ? 1 : 2),
});
