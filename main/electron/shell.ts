// The shell: one window on the engine's pages, and what only a desktop program can do for it.
//
// Owns: the order of things: lock, engine, window, menu, notices, end. All rules and parts are in files beside it.
// Must never: do the engine's work, or show a page before the rules for pages stand.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type * as Electron from "electron";
import { z } from "zod";
import { writeFileAtomically } from "../../app/kernel/index.ts";
import type { Tell, tells } from "./contract.ts";
import { createEngine, type EngineOptions } from "./engine.ts";
import { linkIn, pathsIn, placeOfLink, SCHEME } from "./links.ts";
import { type MenuAction, menuTemplate } from "./menu.ts";
import { openSecrets } from "./secrets.ts";
import { answer, confine, denyPermissions, isOurs, sandboxAll } from "./security.ts";
import { createUpdates, type Updater } from "./updates.ts";
import { keepPlace, placeFrom } from "./window-place.ts";

export interface ShellOptions {
  readonly electron: typeof Electron;
  readonly updater: Updater;
  /** How the engine is started. */
  readonly engine: Pick<EngineOptions, "command" | "args" | "cwd">;
  readonly preload: string;
  /** file:// address of the page that is shown when the engine ended for good. */
  readonly crashPage: string;
  /** Absent: as remembered; an administrator's word otherwise. */
  readonly updates?: "off" | undefined;
  readonly argv: readonly string[];
}

const ownSchema = z.object({ updates: z.enum(["on", "off"]).catch("on") });

/** Runs the app. @returns false where another one of it runs already, which was shown instead */
export function startShell(options: ShellOptions): boolean {
  const { electron, updater, preload, crashPage, argv } = options;
  const {
    app,
    BrowserWindow,
    dialog,
    ipcMain,
    Menu,
    Notification,
    powerSaveBlocker,
    safeStorage,
    screen,
    session,
    shell,
  } = electron;
  if (!app.requestSingleInstanceLock()) {
    app.quit();
    return false;
  }
  sandboxAll(app);
  app.setAsDefaultProtocolClient(SCHEME);
  const userData = app.getPath("userData");
  mkdirSync(userData, { recursive: true });
  const ownFile = join(userData, "shell.json");
  const placeFile = join(userData, "window.json");
  const secrets = openSecrets(join(userData, "secrets.json"), safeStorage, process.platform);

  let window: Electron.BrowserWindow | undefined;
  let address: string | undefined;
  let crash = { why: "", log: "" };
  let awake: number | undefined;
  /** What was opened before the window could hear of it. */
  let pending: string[] = pathsIn(argv);
  let pendingPlace = placeOfLink(linkIn(argv) ?? "");
  let isEnding = false;

  const tell = <Name extends Tell>(name: Name, value: z.infer<(typeof tells)[Name]>) =>
    window?.webContents.send(name, value);
  const isAllowed = (url: string) => isOurs(url, address, crashPage);

  const engine = createEngine({
    ...options.engine,
    environment: () => secrets.environment(),
    onUp(at, key) {
      address = at;
      // The key goes in the address once; the engine answers with a cookie and an address without it.
      void window?.loadURL(`${at}/?token=${key}${pendingPlace ?? ""}`);
      pendingPlace = undefined;
    },
    onDown(why, log) {
      address = undefined;
      crash = { why, log };
      void window?.loadURL(crashPage);
    },
  });

  function open(): void {
    const place = placeFrom(
      placeFile,
      screen.getAllDisplays().map(({ workArea }) => workArea),
    );
    const { isMaximized = false, ...bounds } = place;
    const own = new BrowserWindow({
      ...bounds,
      minWidth: 960,
      minHeight: 600,
      show: false,
      title: "Autochrome",
      backgroundColor: "#181715",
      webPreferences: {
        preload,
        sandbox: true,
        contextIsolation: true,
        nodeIntegration: false,
        webSecurity: true,
        webviewTag: false,
        spellcheck: true,
      },
    });
    window = own;
    if (isMaximized) own.maximize();
    own.once("ready-to-show", () => own.show());
    own.webContents.on("did-finish-load", () => {
      if (pending.length > 0) tell("openPaths", pending);
      pending = [];
    });
    own.on("close", () => {
      const isFull = own.isMaximized();
      void keepPlace(placeFile, {
        ...(isFull ? own.getNormalBounds() : own.getBounds()),
        isMaximized: isFull,
      });
    });
    own.on("closed", () => {
      window = undefined;
    });
  }

  function show(): void {
    if (window === undefined) return;
    if (window.isMinimized()) window.restore();
    window.focus();
  }
  function openWith(words: readonly string[]): void {
    const paths = pathsIn(words);
    const place = placeOfLink(linkIn(words) ?? "");
    if (address === undefined) {
      pending = [...pending, ...paths];
      pendingPlace = place ?? pendingPlace;
    } else {
      if (paths.length > 0) tell("openPaths", paths);
      if (place !== undefined) tell("goTo", place);
    }
    show();
  }
  function setMenu(actions: readonly MenuAction[]): void {
    const template = menuTemplate(actions, app.name, process.platform === "darwin", (id) =>
      tell("runAction", id),
    );
    Menu.setApplicationMenu(Menu.buildFromTemplate(template));
  }
  async function choose(properties: ("openDirectory" | "openFile" | "multiSelections")[]): Promise<string[]> {
    if (window === undefined) return [];
    const { filePaths } = await dialog.showOpenDialog(window, { properties });
    return filePaths;
  }
  function stayAwake(isWorking: boolean): void {
    if (isWorking) awake ??= powerSaveBlocker.start("prevent-app-suspension");
    else if (awake !== undefined) {
      powerSaveBlocker.stop(awake);
      awake = undefined;
    }
  }

  app.on("web-contents-created", (_, contents) => confine(contents, isAllowed, shell));
  app.on("second-instance", (_, words) => openWith(words));
  app.on("open-file", (event, path) => {
    event.preventDefault();
    openWith([path]);
  });
  app.on("open-url", (event, link) => {
    event.preventDefault();
    openWith([link]);
  });
  app.on("window-all-closed", () => app.quit());
  app.on("before-quit", (event) => {
    if (isEnding) return;
    event.preventDefault();
    isEnding = true;
    stayAwake(false);
    void engine.stop().finally(() => app.quit());
  });

  void app.whenReady().then(() => {
    denyPermissions(session.defaultSession);
    const mode = options.updates ?? readOwn(ownFile).updates;
    const updates = createUpdates(
      updater,
      mode,
      (updatesMode) =>
        void writeFileAtomically(ownFile, JSON.stringify({ updates: updatesMode }), { overwrite: true }),
      (facts) => tell("updates", facts),
    );
    answer(
      ipcMain,
      {
        chooseFolders: () => choose(["openDirectory", "multiSelections"]),
        chooseFiles: () => choose(["openFile", "multiSelections"]),
        showItem(path) {
          shell.showItemInFolder(path);
          return undefined;
        },
        setActions(actions) {
          setMenu(actions);
          return undefined;
        },
        setProgress(share) {
          window?.setProgressBar(share ?? -1);
          stayAwake(share !== null);
          return undefined;
        },
        notify(title, body) {
          const notice = new Notification({ title, body });
          notice.on("click", show);
          if (window?.isFocused() !== true) notice.show();
          return undefined;
        },
        async setSecret(name, value) {
          return secrets.set(name, value);
        },
        secrets: () => secrets.facts(),
        updates: () => updates.facts(),
        setUpdates: (next) => (options.updates === undefined ? updates.set(next) : updates.facts()),
        installUpdate() {
          updates.install();
          return undefined;
        },
        crash: () => crash,
        async restartEngine() {
          await engine.stop();
          engine.start();
          return undefined;
        },
      },
      ({ senderFrame, sender }) =>
        senderFrame !== null &&
        sender === window?.webContents &&
        senderFrame === sender.mainFrame &&
        isAllowed(senderFrame.url),
    );
    setMenu([]);
    open();
    engine.start();
  });
  return true;
}

function readOwn(file: string): z.infer<typeof ownSchema> {
  try {
    return ownSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return ownSchema.parse({});
  }
}
