// What the tests of validation share: small prompts, and what they are judged to be.
import type { Refusal } from "./refusal.ts";
import { worldOf } from "./testing-world.ts";
import { type Acceptance, validatePrompt } from "./validate.ts";

const world = worldOf();

export const load = { class_type: "LoadImage", inputs: { image: "input.jpg" } };
export const save = (source: unknown) => ({
  class_type: "SaveImage",
  inputs: { images: source, filename_prefix: "out" },
});
export const blend = (inputs: object) => ({
  class_type: "ImageBlend",
  inputs: { image1: ["1", 0], image2: ["1", 0], blend_factor: 0.5, blend_mode: "normal", ...inputs },
});
export const crop = (inputs: object) => ({
  class_type: "ImageCrop",
  inputs: { image: ["1", 0], width: 10, height: 10, x: 0, y: 0, ...inputs },
});
export const graphWith = (node: object) => ({ "1": load, "2": node, "3": save(["2", 0]) });

export function refused(graph: unknown, targets?: readonly string[]): Refusal {
  const result = validatePrompt(graph, world, targets);
  if (result.ok) throw new Error("accepted");
  return result;
}
export function accepted(graph: unknown, targets?: readonly string[]): Acceptance {
  const result = validatePrompt(graph, world, targets);
  if (!result.ok) throw new Error(JSON.stringify(result));
  return result;
}
/** As a client gets it. */
export const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
export const failed = (details = "") => ({
  type: "prompt_outputs_failed_validation",
  message: "Prompt outputs failed validation",
  details,
  extra_info: {},
});
export const oneError = (error: object, class_type: string, outputs = ["3"]) => ({
  errors: [error],
  dependent_outputs: outputs,
  class_type,
});
