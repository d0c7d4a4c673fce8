import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toApiGraph } from "./convert.ts";
import { graphFormatOf } from "./graph.ts";
import { jobGraphOf, PHOTO } from "./job.ts";
import { NODES } from "./library.ts";
import { listPresets, readLayout, readPreset, readWorkflow } from "./presets.ts";
import { worldOf } from "./testing-world.ts";
import { validatePrompt } from "./validate.ts";

const aliases = listPresets().map(({ alias }) => alias);

test("the presets are these", () => {
  expect(aliases).toEqual(["portrait", "building", "quick", "faded", "newspaper", "group", "variants"]);
});

test("the folder has nothing else", async () => {
  const files = listPresets().flatMap(({ alias, file }) => [
    file,
    file.replace(".json", ".ui.json"),
    `${alias}.jpg`,
  ]);
  expect((await readdir(new URL("../../workflows/", import.meta.url))).toSorted()).toEqual(files.toSorted());
});

describe.each(aliases)("%s", (alias) => {
  test("runs as it is", async () => {
    const graph = await readPreset(alias);
    const result = validatePrompt(graph, worldOf([PHOTO]));
    expect(result).toMatchObject({ ok: true, graph, nodeErrors: {} });
  });

  test("takes one photo and gives one picture", async () => {
    const graph = await readPreset(alias);
    expect(jobGraphOf(graph)).toMatchObject({ photoNames: [PHOTO], format: "png" });
    const saved = Object.values(graph).find(({ class_type }) => class_type === "SaveImage");
    expect(saved?.inputs.filename_prefix).toBe("Autochrome");
  });

  test("each node has a title", async () => {
    for (const { _meta } of Object.values(await readPreset(alias))) expect(_meta?.title).toMatch(/\w/);
  });

  test("its layout is in the editor's format and is the same graph", async () => {
    const layout = await readLayout(alias);
    expect(graphFormatOf(layout)).toBe("ui");
    expect(toApiGraph(layout, worldOf())).toEqual(await readPreset(alias));
  });

  test("its layout is as the editor writes it", async () => {
    const layout = (await readLayout(alias)) as {
      version: number;
      last_node_id: number;
      last_link_id: number;
      links: [number, number, number, number, number, string][];
      nodes: {
        id: number;
        type: string;
        pos: number[];
        size: number[];
        inputs: { name: string; type: string; link: number }[];
        outputs: { name: string; type: string; links: number[] | null }[];
      }[];
    };
    expect(layout.version).toBe(0.4);
    expect(layout.last_node_id).toBe(Math.max(...layout.nodes.map(({ id }) => id)));
    expect(layout.last_link_id).toBe(layout.links.length);
    const node = new Map(layout.nodes.map((one) => [one.id, one]));
    for (const { type, outputs, pos, size } of layout.nodes) {
      const declared = NODES.get(type)?.outputs.map(({ name, type: kind }) => ({ name, type: kind }));
      expect(outputs.map(({ name, type: kind }) => ({ name, type: kind }))).toEqual(declared);
      expect([...pos, ...size].every(Number.isFinite)).toBe(true);
    }
    for (const [id, from, fromSlot, to, toSlot, type] of layout.links) {
      expect(node.get(from)?.outputs[fromSlot]).toMatchObject({ type, links: expect.arrayContaining([id]) });
      expect(node.get(to)?.inputs[toSlot]).toMatchObject({ type, link: id });
    }
    const boxes = layout.nodes.map(({ pos: [x = 0, y = 0], size: [w = 0, h = 0] }) => ({ x, y, w, h }));
    const overlaps = boxes.filter((a, i) =>
      boxes.some((b, j) => j > i && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h),
    );
    expect(overlaps).toEqual([]);
  });
});

describe("names", () => {
  test.each([
    "portrait",
    "DDColor人物黑白修复",
    "DDColor人物黑白修复.json",
    "DDColor人物黑白修复".normalize("NFD"),
  ])("%s", async (name) => {
    expect(Object.keys(await readPreset(name))).toHaveLength(5);
  });

  test.each(["sepia", "../package", "quick.ui", "", "constructor"])("%j is none", async (name) => {
    await expect(readPreset(name)).rejects.toMatchObject({ code: "not-found" });
    await expect(readLayout(name)).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("a workflow of the user's", () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "autochrome-workflow-"));
    await writeFile(file("api.json"), `\uFEFF${JSON.stringify(await readPreset("quick"))}`);
    await writeFile(file("ui.json"), JSON.stringify(await readLayout("quick")));
    await writeFile(file("broken.json"), "{");
    await writeFile(file("other.json"), '{"1": {"class_type": 5}}');
    await writeFile(file("list.json"), "[1]");
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each(["api.json", "ui.json"])("%s", async (name) => {
    expect(await readWorkflow(file(name))).toEqual(await readPreset("quick"));
  });
  test("a preset's name comes first", async () => {
    expect(await readWorkflow("group")).toEqual(await readPreset("group"));
  });
  test.each([
    ["broken.json", "workflow-invalid"],
    ["other.json", "workflow-invalid"],
    ["list.json", "workflow-invalid"],
    ["none.json", "not-found"],
  ])("%s is %s", async (name, code) => {
    await expect(readWorkflow(file(name))).rejects.toMatchObject({ code });
  });
  test("a word that is neither", async () => {
    await expect(readWorkflow("sepia")).rejects.toMatchObject({
      code: "not-found",
      message: "There is no workflow called sepia.",
    });
  });
});
