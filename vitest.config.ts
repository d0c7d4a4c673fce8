import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{app,main,renderer,e2e,k8s}/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Tests fork inference processes and pixel workers of their own; more files at once only fight for cores.
    maxWorkers: 2,
  },
});
