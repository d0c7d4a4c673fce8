// What the tests of conversion share: small graphs in the editor's format, and what they become.
import { expect } from "vitest";
import { AutochromeError } from "../kernel/index.ts";
import { toApiGraph } from "./convert.ts";
import { worldOf } from "./testing-world.ts";

const world = worldOf();
export const convert = (ui: unknown) => toApiGraph(ui, world);
/** [from, its output, to, its input, type] */
export type Wire = readonly [number, number, number, number, string];

/** A graph of version 0.4 from nodes and wires; links are numbered from 1, and inputs get theirs. */
export function ui(
  nodes: readonly { id: number; type: string; inputs?: readonly object[]; [more: string]: unknown }[],
  wires: readonly Wire[],
) {
  return {
    nodes: nodes.map((node) => ({
      mode: 0,
      ...node,
      inputs: node.inputs?.map((input, slot) => {
        const link = wires.findIndex(([, , to, toSlot]) => to === node.id && toSlot === slot);
        return { link: link < 0 ? null : link + 1, ...input };
      }),
    })),
    links: wires.map((wire, i) => [i + 1, ...wire]),
    version: 0.4,
  };
}

export const image = { name: "image", type: "IMAGE" };
export const images = { name: "images", type: "IMAGE" };
export const out = { name: "IMAGE", type: "IMAGE" };
export const load = { id: 1, type: "LoadImage", widgets_values: ["input.jpg", "image"] };
export const save = { id: 9, type: "SaveImage", inputs: [images], widgets_values: ["out"] };
export const invert = (id: number, more: object = {}) => ({
  id,
  type: "ImageInvert",
  inputs: [image],
  outputs: [out],
  ...more,
});
export const saved = (source: readonly [string, number] | undefined) => ({
  class_type: "SaveImage",
  inputs: { filename_prefix: "out", ...(source === undefined ? {} : { images: source }) },
  _meta: { title: "Save Image" },
});
export const invertedFrom = (id: string) => ({
  class_type: "ImageInvert",
  inputs: { image: [id, 0] },
  _meta: { title: expect.any(String) },
});
export const loaded = {
  class_type: "LoadImage",
  inputs: { image: "input.jpg" },
  _meta: { title: "Load Image" },
};

export function refusal(value: unknown): string {
  try {
    convert(value);
  } catch (error) {
    if (error instanceof AutochromeError && error.code === "workflow-invalid") return error.message;
    throw error;
  }
  throw new Error("converted");
}
