// What the window may ask of the shell: names, and the form of what is given. The preload exposes exactly these.
// Must never: grow anything that takes code, an address or a channel's name from the window.
import { z } from "zod";

const paths = z.array(z.string().max(4096)).max(10_000);

/** By channel: the arguments, and what it is for. */
export const asks = {
  /** The system's dialog for folders. */
  chooseFolders: z.tuple([]),
  chooseFiles: z.tuple([]),
  /** Shows a file in the file manager. */
  showItem: z.tuple([z.string().min(1).max(4096)]),
  /** The actions of the window's registry: the menu is made from them. */
  setActions: z.tuple([
    z
      .array(
        z.object({
          id: z.string().max(100),
          label: z.string().max(200),
          group: z.string().max(100),
          key: z.string().max(40).optional(),
          isPossible: z.boolean(),
        }),
      )
      .max(500),
  ]),
  /** Share of what is under way, 0–1; null: nothing is. Also keeps the computer awake. */
  setProgress: z.tuple([z.number().min(0).max(1).nullable()]),
  notify: z.tuple([z.string().max(200), z.string().max(1000)]),
  /** Stores a secret of the settings with the system's key store. Null forgets it. */
  setSecret: z.tuple([z.string().regex(/^[a-zA-Z]{1,60}$/), z.string().max(10_000).nullable()]),
  /** Which secrets are stored, and whether the system keeps them well. */
  secrets: z.tuple([]),
  /** How updates are looked for, and what was found. */
  updates: z.tuple([]),
  setUpdates: z.tuple([z.enum(["on", "off"])]),
  installUpdate: z.tuple([]),
  /** Why the engine ended, for the crash page. */
  crash: z.tuple([]),
  restartEngine: z.tuple([]),
} as const;
export type Ask = keyof typeof asks;

export interface Secrets {
  readonly stored: readonly string[];
  /** False where the system keeps them in plain text or nearly so. */
  readonly isStrong: boolean;
  readonly backend: string;
}
export interface Updates {
  readonly mode: "on" | "off";
  readonly state: "idle" | "looking" | "none" | "found" | "loading" | "ready" | "failed";
  readonly version?: string;
  readonly error?: string;
}
export interface Crash {
  readonly why: string;
  /** The engine's last lines. */
  readonly log: string;
}

/** What each answers. */
export interface Replies {
  chooseFolders: string[];
  chooseFiles: string[];
  showItem: undefined;
  setActions: undefined;
  setProgress: undefined;
  notify: undefined;
  setSecret: Secrets;
  secrets: Secrets;
  updates: Updates;
  setUpdates: Updates;
  installUpdate: undefined;
  crash: Crash;
  restartEngine: undefined;
}

/** What the shell tells the window. */
export const tells = {
  /** Files and folders that were opened with the app. */
  openPaths: paths,
  /** A deep link: a place in the window. */
  goTo: z.string().max(500),
  /** Somebody chose an action in the menu. */
  runAction: z.string().max(100),
  updates: z.custom<Updates>((value) => typeof value === "object"),
} as const;
export type Tell = keyof typeof tells;
