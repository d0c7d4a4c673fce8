// The programs that check this folder, built by `go install` into the cache that e2e/cluster/go.ts keeps outside the
// repository. Run by itself (`node k8s/tools.ts`) it builds what is not there, and fetches the modules that have the
// schemas; some minutes, once.
// Owns: which programs and modules, and their versions. Must never: build during a test.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildProgram, type Found, findOrBuild, type GoProgram } from "../e2e/cluster/go.ts";

const run = promisify(execFile);

const TOOLS = {
  helm: "helm.sh/helm/v4/cmd/helm@v4.3.1",
  kubeconform: "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
  promtool: "github.com/prometheus/prometheus/cmd/promtool@v0.316.0",
} as const;
export type Tool = keyof typeof TOOLS;

/** Modules with the schemas of what the chart renders. Kubernetes is that of e2e/cluster/control-plane. */
export const SCHEMA_MODULES = {
  kubernetes: "k8s.io/kubernetes@v1.36.3",
  gatewayApi: "sigs.k8s.io/gateway-api@v1.6.3",
  prometheusOperator: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
  kueue: "sigs.k8s.io/kueue@v0.17.0",
} as const;

/** promtool without the clients of all clouds, which it needs for nothing here: a tenth of the work. */
process.env.GOFLAGS = `${process.env.GOFLAGS ?? ""} -tags=remove_all_sd`.trim();

function programOf(tool: Tool): GoProgram {
  return { name: tool, module: TOOLS[tool] };
}

/** A tool that was built, or why there is none; built only where AUTOCHROME_CLUSTER_TESTS=1 asks for it. */
export function findTool(tool: Tool): Found | Promise<Found> {
  return findOrBuild(programOf(tool));
}

/** The folder of a Go module that was downloaded, or why there is none. */
export async function findModule(module: string): Promise<Found> {
  const missing = `The Go module ${module} is not here; \`node k8s/tools.ts\` fetches it.`;
  try {
    const { stdout } = await run("go", ["env", "GOMODCACHE"]);
    const path = join(stdout.trim(), module);
    return existsSync(path) ? { path } : { missing };
  } catch {
    return { missing: `${missing} Go is not installed.` };
  }
}

if (import.meta.main) {
  for (const tool of Object.keys(TOOLS) as Tool[]) {
    const { path, missing } = await buildProgram(programOf(tool));
    process.stdout.write(`${path ?? missing}\n`);
  }
  for (const module of Object.values(SCHEMA_MODULES)) {
    await run("nice", ["-n", "19", "go", "mod", "download", module], { cwd: tmpdir() });
    process.stdout.write(`${(await findModule(module)).path}\n`);
  }
}
