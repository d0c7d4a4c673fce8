import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { routes } from "./contract.ts";
import { libraryRoutes } from "./index.ts";
import { createTestDesk } from "./testing.ts";
import { settingsDoors } from "./testing-doors.ts";

it("every route of the contract is there once, and described", async () => {
  const folder = await mkdtemp(join(tmpdir(), "autochrome-routes-"));
  const desk = await createTestDesk(() => undefined, { doors: settingsDoors(folder) });
  try {
    const mounted = libraryRoutes(desk.desk);
    const about = { openapi: "3.1.0", info: { title: "", version: "" } };
    const { paths = {} } = mounted.getOpenAPI31Document(about);
    const made = mounted.routes.map(({ method, path }) => `${method} ${path}`);
    const missing = Object.values(routes).filter(({ method, path }) => {
      const address = `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`;
      const isOnce = made.filter((one) => one === address).length === 1;
      return !isOnce || paths[path]?.[method] === undefined;
    });
    expect(missing.map(({ path }) => path)).toEqual([]);
  } finally {
    await desk.close();
    await rm(folder, { recursive: true });
  }
});
