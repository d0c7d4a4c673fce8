// JSON Schemas for kubeconform, which would otherwise fetch them from the internet: Kubernetes' own from its Go module's
// OpenAPI description, other projects' from the CustomResourceDefinitions in theirs.
// Owns: that translation: fields that are not described are refused. Must never: judge an object itself.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readYaml } from "./render.ts";
import { findModule, SCHEMA_MODULES } from "./tools.ts";

type Schema = Record<string, unknown>;

const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const schema = z.custom<Schema>(isSchema);

const swaggerSchema = z.object({ definitions: z.record(z.string(), schema) });
const kindsSchema = z.array(z.object({ group: z.string(), version: z.string(), kind: z.string() }));
const crdSchema = z.object({
  spec: z.object({
    group: z.string(),
    names: z.object({ kind: z.string() }),
    versions: z.array(z.object({ name: z.string(), schema: z.object({ openAPIV3Schema: schema }) })),
  }),
});

/** CustomResourceDefinitions that the chart uses, by module. */
const CRDS: Readonly<Record<Exclude<keyof typeof SCHEMA_MODULES, "kubernetes">, readonly string[]>> = {
  gatewayApi: ["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
  prometheusOperator: ["podmonitors", "prometheusrules", "servicemonitors"].map(
    (name) => `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
  ),
  kueue: ["clusterqueues", "localqueues", "resourceflavors"].map(
    (name) => `config/components/crd/bases/kueue.x-k8s.io_${name}.yaml`,
  ),
};

/** Files with the CustomResourceDefinitions of what the chart uses, or why they are not here. */
export async function crdFiles(): Promise<
  | { readonly path: string[]; readonly missing?: undefined }
  | { readonly path?: undefined; readonly missing: string }
> {
  const path: string[] = [];
  for (const [module, files] of Object.entries(CRDS)) {
    const found = await findModule(SCHEMA_MODULES[module as keyof typeof CRDS]);
    if (found.path === undefined) return found;
    path.push(...files.map((file) => join(found.path, file)));
  }
  return { path };
}

/** For kubeconform's -schema-location: where the schema of an object is. @param folder as for {@link writeSchemas} */
export function schemaLocation(folder: string): string {
  return join(folder, "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json");
}

/**
 * Writes the schemas of all kinds.
 * @returns why that is not possible: a module is not here
 */
export async function writeSchemas(folder: string): Promise<string | undefined> {
  await mkdir(folder, { recursive: true });
  const put = (group: string, version: string, kind: string, content: Schema) => {
    const name = `${group === "" ? version : group}_${version}_${kind.toLowerCase()}.json`;
    return writeFile(join(folder, name), JSON.stringify(content));
  };
  const kubernetes = await findModule(SCHEMA_MODULES.kubernetes);
  if (kubernetes.path === undefined) return kubernetes.missing;
  const text = await readFile(join(kubernetes.path, "api/openapi-spec/swagger.json"), "utf8");
  const { definitions } = swaggerSchema.parse(JSON.parse(text));
  const strict = Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, strictly(definition)]),
  );
  for (const definition of Object.values(strict)) {
    const kinds = kindsSchema.safeParse(definition["x-kubernetes-group-version-kind"]).data ?? [];
    // Several kinds: DeleteOptions and the like, which nobody writes into files.
    const [only, ...others] = kinds;
    if (only === undefined || others.length > 0) continue;
    await put(only.group, only.version, only.kind, {
      ...definition,
      definitions: reached(definition, strict),
    });
  }
  const crds = await crdFiles();
  if (crds.path === undefined) return crds.missing;
  for (const file of crds.path) {
    const { spec } = crdSchema.parse(await readYaml(file));
    for (const version of spec.versions)
      await put(spec.group, version.name, spec.names.kind, strictly(version.schema.openAPIV3Schema));
  }
  return undefined;
}

/** Refuses what is not described, and takes numbers where Kubernetes does. */
function strictly(given: Schema): Schema {
  const inner = Object.fromEntries(
    Object.entries(given).map(([key, value]) => {
      // The values of "properties" are schemas; a field may be called "type" itself.
      if (key === "properties" && isSchema(value))
        return [
          key,
          Object.fromEntries(Object.entries(value).map(([name, part]) => [name, translated(part)])),
        ];
      return [key, translated(value)];
    }),
  );
  if (given.format === "int-or-string" || given["x-kubernetes-int-or-string"] === true) {
    const { type: _, format: __, ...rest } = inner;
    return { ...rest, anyOf: [{ type: "integer" }, { type: "string" }] };
  }
  const isOpen =
    given.additionalProperties !== undefined || given["x-kubernetes-preserve-unknown-fields"] === true;
  if (given.properties === undefined || isOpen) return inner;
  // The top of a CRD does not describe what all objects have.
  const metadata = isSchema(given.properties) ? given.properties.metadata : undefined;
  const isTop = isSchema(metadata) && metadata.type === "object" && metadata.properties === undefined;
  const properties = isTop
    ? { ...(inner.properties as Schema), metadata: { type: "object" } }
    : inner.properties;
  return { ...inner, properties, additionalProperties: false };
}

function translated(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(translated);
  return isSchema(value) ? strictly(value) : value;
}

/** The definitions that a schema leads to. */
function reached(from: Schema, all: Readonly<Record<string, Schema>>): Record<string, Schema> {
  const found: Record<string, Schema> = {};
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isSchema(value)) return;
    const name = typeof value.$ref === "string" ? value.$ref.replace("#/definitions/", "") : undefined;
    const target = name === undefined ? undefined : all[name];
    if (name !== undefined && target !== undefined && found[name] === undefined) {
      found[name] = target;
      visit(target);
    }
    Object.values(value).forEach(visit);
  };
  visit(from);
  return found;
}
