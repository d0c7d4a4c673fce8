// What the window's pages see of the shell: named functions, and nothing behind them.
// Must never: expose ipcRenderer, an event, or a channel's name that a page could choose.
import { contextBridge, ipcRenderer, webUtils } from "electron";

type Listener<Value> = (value: Value) => void;
const hear =
  <Value>(channel: string) =>
  (listener: Listener<Value>): (() => void) => {
    const on = (_: unknown, value: Value) => listener(value);
    ipcRenderer.on(channel, on);
    return () => ipcRenderer.off(channel, on);
  };
const ask =
  (name: string) =>
  (...args: unknown[]): Promise<unknown> =>
    ipcRenderer.invoke(name, ...args);

contextBridge.exposeInMainWorld("autochrome", {
  chooseFolders: ask("chooseFolders"),
  chooseFiles: ask("chooseFiles"),
  pathsOfDrop: (files: readonly File[]) => files.map((file) => webUtils.getPathForFile(file)),
  showItem: ask("showItem"),
  setActions: ask("setActions"),
  setProgress: ask("setProgress"),
  notify: ask("notify"),
  secrets: ask("secrets"),
  setSecret: ask("setSecret"),
  updates: ask("updates"),
  setUpdates: ask("setUpdates"),
  installUpdate: ask("installUpdate"),
  crash: ask("crash"),
  restartEngine: ask("restartEngine"),
  onOpenPaths: hear<string[]>("openPaths"),
  onGoTo: hear<string>("goTo"),
  onRunAction: hear<string>("runAction"),
  onUpdates: hear<unknown>("updates"),
});
