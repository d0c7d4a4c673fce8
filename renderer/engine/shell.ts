// What the desktop's shell offers beyond a browser: dialogs of the system, paths of what is dropped. In a browser it is not
// there, and the window does without.
//
// Owns: the form of it, as the shell's preload makes it. Must never: be needed for anything but files and folders.

export interface Shell {
  /** Asks for folders with the system's dialog. @returns their paths; none when it was closed */
  chooseFolders(): Promise<string[]>;
  /** Asks for photo files. */
  chooseFiles(): Promise<string[]>;
  /** Where dropped files and folders lie. */
  pathsOfDrop(files: readonly File[]): string[];
  /** Hears of files and folders that are opened with the app. @returns ends it */
  onOpenPaths(listener: (paths: string[]) => void): () => void;
  /** Shows a file in the system's file manager. */
  showItem(path: string): Promise<void>;
}

declare global {
  interface Window {
    readonly autochrome?: Shell;
  }
}

/** The shell around the window; undefined in a browser. */
export const shell = (): Shell | undefined => window.autochrome;
