// The shell as plain JavaScript: Electron's sandboxed preload takes nothing else.
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { build, defineConfig, type InlineConfig } from "vite";

const here = import.meta.dirname;
const outDir = join(here, "dist");

const entry = (name: string, file: string, format: "cjs" | "es" | "iife"): InlineConfig => ({
  configFile: false,
  root: here,
  logLevel: "warn",
  ssr: { noExternal: true },
  build: {
    outDir,
    emptyOutDir: false,
    minify: false, // read by whoever looks for a fault
    ...(name === "crash" ? { target: "chrome140" } : { target: "node24", ssr: true }),
    lib: { entry: join(here, `${name}.ts`), formats: [format], name, fileName: () => file },
    rollupOptions: { external: ["electron"] },
  },
});

export default defineConfig({
  ...entry("main", "main.js", "es"),
  plugins: [
    {
      name: "preload-and-crash-page",
      async closeBundle() {
        await build(entry("preload", "preload.cjs", "cjs"));
        await build(entry("crash", "crash.js", "iife"));
        for (const file of ["crash.html", "crash.css"]) await copyFile(join(here, file), join(outDir, file));
      },
    },
  ],
});
