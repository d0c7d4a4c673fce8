import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { isInside } from "../../kernel/index.ts";
import { listPresets, readLayout, readPreset } from "../../workflow/index.ts";
import { presetSchema } from "./contract.ts";
import { createTestDesk, type TestDesk } from "./testing.ts";
import { findWorkflow, workflowName, writeWorkflow } from "./workflow-files.ts";
import { workflowRoutes } from "./workflow-routes.ts";

let desk: TestDesk;
beforeEach(async () => {
  desk = await createTestDesk(workflowRoutes);
});
afterEach(() => desk.close());

const at = (name: string) => `/library/workflows/${encodeURIComponent(name)}`;
const save = (name: string, workflow: unknown) => desk.json("PUT", at(name), workflow);
const names = async () =>
  z
    .object({ presets: z.array(presetSchema) })
    .parse((await desk.json("GET", "/library/presets")).body)
    .presets.filter(({ isPreset }) => !isPreset)
    .map(({ name }) => name);
const folder = () => join(desk.desk.library.folder, "workflows");

describe("workflows", () => {
  it("begin with the presets, in both languages, as the editor shows them and as they are run", async () => {
    const { body } = await desk.json("GET", "/library/presets");
    const { presets } = z.object({ presets: z.array(presetSchema) }).parse(body);
    expect(presets.map(({ name }) => name)).toEqual(listPresets().map(({ alias }) => alias));
    expect(presets[0]).toMatchObject({ isPreset: true, title: { en: "People", zh: "人物黑白修复" } });
    for (const { name } of presets) {
      expect((await desk.json("GET", at(name))).body).toEqual(await readLayout(name));
      expect((await desk.json("GET", `${at(name)}?format=api`)).body).toEqual(await readPreset(name));
    }
  });

  it("are saved as they were given, in either format, listed by name, read and deleted", async () => {
    const ui = await readLayout("portrait");
    const api = await readPreset("quick");
    expect(await save("Grandparents 祖父母", ui)).toMatchObject({
      status: 200,
      body: { name: "Grandparents 祖父母", isPreset: false },
    });
    expect((await save("another", api)).status).toBe(200);
    expect(await names()).toEqual(["another", "Grandparents 祖父母"]);
    expect((await desk.json("GET", at("Grandparents 祖父母"))).body).toEqual(ui);
    expect((await desk.json("GET", at("another"))).body).toEqual(api);
    const run = await desk.json("GET", `${at("Grandparents 祖父母")}?format=api`);
    expect(
      Object.values(run.body as Record<string, { class_type: string }>).map((node) => node.class_type),
    ).toContain("DDColor-ddcolorize");
    expect((await save("another", ui)).status).toBe(200);
    expect((await desk.json("GET", at("another"))).body).toEqual(ui);
    expect((await desk.ask("DELETE", at("another"))).status).toBe(204);
    expect((await desk.ask("DELETE", at("another"))).status).toBe(404);
    expect((await desk.ask("GET", at("another"))).status).toBe(404);
    expect(await names()).toEqual(["Grandparents 祖父母"]);
  });

  it("that could not run are refused, with what is wrong", async () => {
    const graph = await readPreset("quick");
    const [first = ""] = Object.keys(graph);
    const wrong = [
      {},
      { nodes: "none" },
      { ...graph, 99: { class_type: "NoSuchNode", inputs: {} } },
      Object.fromEntries(Object.entries(graph).filter(([, node]) => node.class_type !== "SaveImage")),
      Object.fromEntries(Object.entries(graph).filter(([id]) => id !== first)),
      { nodes: [{ id: 1, type: "SaveImage" }], links: [] },
    ];
    for (const workflow of wrong) {
      expect([workflow, await save("mine", workflow)]).toMatchObject([
        workflow,
        { status: 400, body: { error: { code: "workflow-invalid", next: expect.stringMatching(/\w/) } } },
      ]);
    }
    expect((await save("mine", [1])).status).toBe(400);
    expect(await names()).toEqual([]);
  });

  it.each(["portrait", "Portrait", "DDColor人物黑白修复", "quick.json", "auto", "", "   ", "..."])(
    "do not take a name that means something else: %j",
    async (name) => {
      const answer = await desk.ask("PUT", at(name), await readPreset("quick"));
      expect([400, 404]).toContain(answer.status);
      expect(await names()).toEqual([]);
    },
  );

  it("do not leave their folder, whatever they are called", async () => {
    const graph = await readPreset("quick");
    const { body } = await save("../../etc/a:b\u0000c", graph);
    const { name } = presetSchema.parse(body);
    expect(name).not.toMatch(/[/\\:\u0000]/);
    expect(await names()).toEqual([name]);
    expect(await readdir(folder())).toEqual([`${name}.json`]);
    await writeFile(join(desk.desk.library.folder, "secret.json"), "{}");
    for (const wish of ["../secret", "..\\secret", "%2e%2e/secret", ".secret"]) {
      expect((await desk.ask("GET", at(wish))).status).toBe(404);
      expect((await desk.ask("DELETE", at(wish))).status).toBe(404);
    }
    expect(await readFile(join(desk.desk.library.folder, "secret.json"), "utf8")).toBe("{}");
  });

  it("that were damaged by hand say so", async () => {
    await mkdir(folder(), { recursive: true });
    await writeFile(join(folder(), "old.json"), "{ half");
    expect(await desk.json("GET", at("old"))).toMatchObject({
      status: 400,
      body: { error: { code: "workflow-invalid" } },
    });
  });
});

describe("a workflow's name", () => {
  it("is one that a file can have, that stays the same, and by which it is found again", async () => {
    const place = desk.desk.library;
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 120 }), async (wish) => {
        let name: string;
        try {
          name = workflowName(wish);
        } catch {
          return; // of nothing but dots and blanks, or a preset's
        }
        expect(workflowName(name)).toBe(name);
        expect(name.startsWith(".") || name.includes(sep)).toBe(false);
        await writeWorkflow(place, name, {});
        const path = await findWorkflow(place, name);
        expect(path !== undefined && isInside(folder(), path)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
