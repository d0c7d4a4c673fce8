// The chart as objects: what `helm template` makes of it.
// Owns: calling helm, reading YAML. Must never: build helm, or talk to a cluster.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";

const run = promisify(execFile);

export const CHART = fileURLToPath(new URL("chart", import.meta.url));

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
});
/** Any object of Kubernetes. */
export type KubernetesObject = z.infer<typeof objectSchema>;

export interface RenderOptions {
  /** Files with values, the later over the earlier. */
  readonly values?: readonly string[];
  /** Single values, as for --set-json: `server.replicas` → 2. */
  readonly set?: Readonly<Record<string, unknown>>;
  readonly release?: string;
  readonly namespace?: string;
}

/**
 * Renders the chart.
 * @param helm path of the program; see tools.ts
 * @throws with helm's words where it refuses the values
 */
export async function renderChart(helm: string, options: RenderOptions = {}): Promise<KubernetesObject[]> {
  const { values = [], set = {}, release = "autochrome", namespace = "autochrome" } = options;
  const words = ["template", release, CHART, "--namespace", namespace, "--kube-version", "1.29.0"];
  for (const file of values) words.push("--values", file);
  for (const [key, value] of Object.entries(set)) words.push("--set-json", `${key}=${JSON.stringify(value)}`);
  const { stdout } = await run(helm, words, { maxBuffer: 32 * 1024 * 1024 });
  return parseObjects(stdout);
}

/** All objects of a YAML text. @throws where something is no object of Kubernetes, or is there twice */
export function parseObjects(text: string): KubernetesObject[] {
  const objects = parseAllDocuments(text).flatMap((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    const object: unknown = document.toJS();
    return object === null ? [] : [objectSchema.parse(object)];
  });
  const names = objects.map(({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`${twice} is there twice`);
  return objects;
}

export async function readYaml(path: string): Promise<unknown> {
  return parse(await readFile(path, "utf8"));
}
