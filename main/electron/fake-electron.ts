// An `electron` for the shell's tests: remembers what it was told, and can be made to say what the real one would.
// Must never: be imported by anything but tests.
import { EventEmitter } from "node:events";
import type * as Electron from "electron";

type Listener = (...args: never[]) => unknown;

/** A window's contents. */
export class FakeContents extends EventEmitter {
  readonly mainFrame = { url: "" };
  readonly sent: [name: string, value: unknown][] = [];
  openHandler: ((details: { url: string }) => { action: string }) | undefined;
  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.openHandler = handler;
  }
  send(name: string, value: unknown): void {
    this.sent.push([name, value]);
  }
}

export class FakeWindow extends EventEmitter {
  static all: FakeWindow[] = [];
  readonly webContents = new FakeContents();
  readonly loaded: string[] = [];
  readonly options: Electron.BrowserWindowConstructorOptions;
  progress = -2;
  isShown = false;
  constructor(options: Electron.BrowserWindowConstructorOptions) {
    super();
    this.options = options;
    FakeWindow.all.push(this);
    FakeWindow.onMade?.(this);
  }
  static onMade: ((window: FakeWindow) => void) | undefined;
  async loadURL(address: string): Promise<void> {
    this.loaded.push(address);
    this.webContents.mainFrame.url = address;
    this.webContents.emit("did-finish-load");
  }
  setProgressBar(share: number): void {
    this.progress = share;
  }
  show(): void {
    this.isShown = true;
  }
  focus(): void {
    this.isShown = true;
  }
  maximize(): void {}
  restore(): void {}
  isMinimized = () => false;
  isMaximized = () => false;
  isFocused = () => false;
  getBounds = () => ({ x: 10, y: 20, width: 1200, height: 800 });
  getNormalBounds = () => this.getBounds();
}

export interface FakeElectron {
  readonly electron: typeof Electron;
  readonly app: EventEmitter & { isSandboxed: boolean; quits: number; hasLock: boolean; schemes: string[] };
  readonly permissions: {
    request:
      | ((contents: unknown, permission: string, answer: (allowed: boolean) => void) => void)
      | undefined;
    check: ((contents: unknown, permission: string) => boolean) | undefined;
    device: (() => boolean) | undefined;
  };
  /** Asks as the window's page would. */
  ask(name: string, ...args: unknown[]): Promise<unknown>;
  /** Asks as somebody else. */
  askFrom(
    event: { senderFrame: unknown; sender: unknown },
    name: string,
    ...args: unknown[]
  ): Promise<unknown>;
  readonly channels: readonly string[];
  readonly opened: string[];
  readonly shown: string[];
  readonly notices: { title: string; body: string }[];
  readonly awake: Set<number>;
  readonly menus: unknown[];
  window(): FakeWindow;
}

export function fakeElectron(
  userData: string,
  { hasLock = true, folders = [] as string[] } = {},
): FakeElectron {
  FakeWindow.all = [];
  const handlers = new Map<string, Listener>();
  const opened: string[] = [];
  const shown: string[] = [];
  const notices: { title: string; body: string }[] = [];
  const awake = new Set<number>();
  const menus: unknown[] = [];
  const permissions: FakeElectron["permissions"] = {
    request: undefined,
    check: undefined,
    device: undefined,
  };
  const app = Object.assign(new EventEmitter(), {
    name: "Autochrome",
    isSandboxed: false,
    quits: 0,
    hasLock,
    schemes: [] as string[],
    requestSingleInstanceLock: () => hasLock,
    enableSandbox() {
      app.isSandboxed = true;
    },
    setAsDefaultProtocolClient: (scheme: string) => app.schemes.push(scheme),
    getPath: () => userData,
    whenReady: async () => undefined,
    quit() {
      app.quits++;
    },
  });
  FakeWindow.onMade = (window) => app.emit("web-contents-created", {}, window.webContents);
  class FakeNotification extends EventEmitter {
    readonly about: { title: string; body: string };
    constructor(about: { title: string; body: string }) {
      super();
      this.about = about;
    }
    show(): void {
      notices.push(this.about);
    }
  }
  const parts = {
    app,
    BrowserWindow: FakeWindow,
    Notification: FakeNotification,
    dialog: { showOpenDialog: async () => ({ canceled: folders.length === 0, filePaths: folders }) },
    ipcMain: { handle: (name: string, listener: Listener) => handlers.set(name, listener) },
    Menu: {
      buildFromTemplate: (template: unknown) => template,
      setApplicationMenu: (menu: unknown) => menus.push(menu),
    },
    powerSaveBlocker: {
      start() {
        awake.add(awake.size + 1);
        return awake.size;
      },
      stop: (id: number) => awake.delete(id),
    },
    safeStorage: {
      isEncryptionAvailable: () => true,
      getSelectedStorageBackend: () => "gnome_libsecret",
      encryptString: (text: string) => Buffer.from(`sealed ${text}`),
      decryptString: (bytes: Buffer) => bytes.toString().replace(/^sealed /, ""),
    },
    screen: { getAllDisplays: () => [{ workArea: { x: 0, y: 0, width: 1920, height: 1080 } }] },
    session: {
      defaultSession: {
        setPermissionRequestHandler(handler: FakeElectron["permissions"]["request"]) {
          permissions.request = handler;
        },
        setPermissionCheckHandler(handler: FakeElectron["permissions"]["check"]) {
          permissions.check = handler;
        },
        setDevicePermissionHandler(handler: FakeElectron["permissions"]["device"]) {
          permissions.device = handler;
        },
      },
    },
    shell: {
      openExternal: async (address: string) => void opened.push(address),
      showItemInFolder: (path: string) => void shown.push(path),
    },
  };
  const askFrom = async (
    event: { senderFrame: unknown; sender: unknown },
    name: string,
    ...args: unknown[]
  ) => {
    const handler = handlers.get(name);
    if (handler === undefined) throw new Error(`nobody answers ${name}`);
    return Reflect.apply(handler, undefined, [event, ...args]);
  };
  const window = () => {
    const [first] = FakeWindow.all;
    if (first === undefined) throw new Error("there is no window");
    return first;
  };
  return {
    // Only what the shell uses is there; anything else fails loudly.
    electron: parts as unknown as typeof Electron,
    app,
    permissions,
    askFrom,
    ask: (name, ...args) => {
      const { webContents } = window();
      return askFrom({ senderFrame: webContents.mainFrame, sender: webContents }, name, ...args);
    },
    get channels() {
      return [...handlers.keys()];
    },
    ...{ opened, shown, notices, awake, menus, window },
  };
}
