import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "./", // the window may lie below a path
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "chrome140",
    sourcemap: false,
    chunkSizeWarningLimit: 1000,
  },
  server: { proxy: { "/library": "http://127.0.0.1:8188", "/object_info": "http://127.0.0.1:8188" } },
});
