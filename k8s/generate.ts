// Writes what is made from something else and checked in: `node k8s/generate.ts`. Tests compare.
//
// - chart/values.schema.json from values.ts
// - chart/dashboards/*.json from dashboards.ts
// - kustomize/base/autochrome.yaml from the chart (needs helm: `node k8s/tools.ts`)
//
// Owns: these files. Must never: be needed to use them.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { dashboards } from "./dashboards.ts";
import { CHART, type KubernetesObject, renderChart } from "./render.ts";
import { findTool } from "./tools.ts";
import { valuesJsonSchema } from "./values.ts";

export const KUSTOMIZE = fileURLToPath(new URL("kustomize", import.meta.url));

/** The chart's objects for those without Helm: no namespace, nothing of Helm's. */
export async function kustomizeObjects(helm: string): Promise<KubernetesObject[]> {
  const objects = await renderChart(helm, { values: [join(KUSTOMIZE, "values.yaml")] });
  return objects
    .filter(({ metadata }) => metadata.annotations?.["helm.sh/hook"] === undefined)
    .map((object) => withoutHelm(object) as KubernetesObject);
}

function withoutHelm(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutHelm);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(
    ([key, inner]) =>
      !key.startsWith("helm.sh/") && !(key === "app.kubernetes.io/managed-by" && inner === "Helm"),
  );
  const entries = kept.map(([key, inner]) => [
    key,
    key === "metadata" ? placeless(inner) : withoutHelm(inner),
  ]);
  return Object.fromEntries(entries);
}

function placeless(metadata: unknown): unknown {
  const plain = withoutHelm(metadata);
  if (typeof plain !== "object" || plain === null) return plain;
  return Object.fromEntries(Object.entries(plain).filter(([key]) => key !== "namespace"));
}

const HEAD =
  "# Made from the chart by `node k8s/generate.ts`. Change values.yaml beside this folder, or an overlay.\n";

if (import.meta.main) {
  await writeFile(join(CHART, "values.schema.json"), valuesJsonSchema());
  for (const [name, board] of Object.entries(dashboards()))
    await writeFile(join(CHART, "dashboards", name), `${JSON.stringify(board, null, 2)}\n`);
  const helm = await findTool("helm");
  if (helm.path === undefined) throw new Error(helm.missing);
  const documents = (await kustomizeObjects(helm.path)).map((object) =>
    stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }),
  );
  await writeFile(join(KUSTOMIZE, "base", "autochrome.yaml"), HEAD + documents.join("---\n"));
  process.stdout.write(
    "Written. `npx biome check --write k8s` brings the JSON into the repository's form.\n",
  );
}
