// What the window may not do: leave the engine's pages, open others, get permissions, speak through side doors.
//
// Owns: these rules, one function each. Must never: make an exception for a page that is not the engine's.
import type { App, IpcMain, IpcMainInvokeEvent, Session, Shell, WebContents } from "electron";
import type { z } from "zod";
import { type Ask, asks, type Replies } from "./contract.ts";

/** Pages that may be opened in the user's browser. */
const OUTSIDE: ReadonlySet<string> = new Set(["github.com", "huggingface.co", "modelscope.cn"]);

/** Every window and frame is in the sandbox, whatever its options say. Before the app is ready. */
export function sandboxAll(app: Pick<App, "enableSandbox">): void {
  app.enableSandbox();
}

/** Whether an address is one of the engine's pages, or the shell's own crash page. */
export function isOurs(address: string, engine: string | undefined, crashPage: string): boolean {
  const url = URL.parse(address);
  if (url === null) return false;
  if (url.protocol === "file:") return address.split(/[?#]/)[0] === crashPage;
  return engine !== undefined && url.origin === URL.parse(engine)?.origin;
}

/** Keeps a window's contents where they are: no way out, no new windows, no views inside. */
export function confine(
  contents: Pick<WebContents, "on" | "setWindowOpenHandler">,
  isAllowed: (address: string) => boolean,
  shell: Pick<Shell, "openExternal">,
): void {
  contents.on("will-navigate", (event) => {
    if (!isAllowed(event.url)) event.preventDefault();
  });
  contents.on("will-redirect", (event) => {
    if (!isAllowed(event.url)) event.preventDefault();
  });
  contents.on("will-attach-webview", (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    if (mayGoOutside(url)) void shell.openExternal(url);
    return { action: "deny" };
  });
}

export function mayGoOutside(address: string): boolean {
  const url = URL.parse(address);
  return (
    url !== null &&
    url.protocol === "https:" &&
    OUTSIDE.has(url.hostname) &&
    url.username === "" &&
    url.port === ""
  );
}

/** No camera, no microphone, no place, no devices: only what a picture program needs. */
export function denyPermissions(
  session: Pick<
    Session,
    "setPermissionRequestHandler" | "setPermissionCheckHandler" | "setDevicePermissionHandler"
  >,
): void {
  const allowed: ReadonlySet<string> = new Set(["fullscreen", "clipboard-sanitized-write"]);
  session.setPermissionRequestHandler((_, permission, answer) => answer(allowed.has(permission)));
  session.setPermissionCheckHandler((_, permission) => allowed.has(permission));
  session.setDevicePermissionHandler(() => false);
}

export type Handlers = {
  readonly [Name in Ask]: (...args: z.infer<(typeof asks)[Name]>) => Replies[Name] | Promise<Replies[Name]>;
};

/** Answers the window: only its own main frame, only on our pages, only what the contract names and as it wants it. */
export function answer(
  ipc: Pick<IpcMain, "handle">,
  handlers: Handlers,
  isSender: (event: Pick<IpcMainInvokeEvent, "senderFrame" | "sender">) => boolean,
): void {
  const one = <Name extends Ask>(name: Name) =>
    ipc.handle(name, (event, ...given: unknown[]) => {
      if (!isSender(event)) throw new Error("not from our window");
      const args = asks[name].safeParse(given);
      if (!args.success) throw new Error(`${name}: not as it must be`);
      return handlers[name](...(args.data as z.infer<(typeof asks)[Name]>));
    });
  for (const name of Object.keys(asks)) if (isAsk(name)) one(name);
}

function isAsk(name: string): name is Ask {
  return name in asks;
}
