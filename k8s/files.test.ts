// What lies beside the chart: alerts, dashboards, the base for kustomize, Argo CD's application, the Dockerfile.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { ONNX_RUNTIME_VERSION } from "../app/colorize/devices/runtime.ts";
import { VERSION } from "../app/kernel/index.ts";
import { dashboards } from "./dashboards.ts";
import { KUSTOMIZE, kustomizeObjects } from "./generate.ts";
import { CHART, parseObjects, readYaml, renderChart } from "./render.ts";
import { complaints, podOf } from "./restricted.ts";
import { findTool } from "./tools.ts";

const run = promisify(execFile);
const HERE = fileURLToPath(new URL(".", import.meta.url));
const ALERTS = join(CHART, "alerts", "autochrome.yaml");
const helm = await findTool("helm");
const promtool = await findTool("promtool");
const kubectl = await run("kubectl", ["kustomize", "--help"]).then(
  () => undefined,
  () => "kubectl is not installed",
);

describe.skipIf(promtool.missing)(`promtool${because(promtool.missing)}`, () => {
  test("takes the alerts", async () => {
    const { stdout } = await run(promtool.path ?? "", ["check", "rules", ALERTS]);
    expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
  });

  test("sees each alert come when it should, and not before", async () => {
    const tests = join(HERE, "alerts.test.yaml");
    const { stdout } = await run(promtool.path ?? "", ["test", "rules", tests]);
    expect(stdout).toContain("SUCCESS");
  });

  test("understands every query of the dashboards", async () => {
    const folder = await mkdtemp(join(tmpdir(), "autochrome-rules-"));
    try {
      const rules = queries().map((expr, index) => ({ record: `query:${index}`, expr: plain(expr) }));
      const file = join(folder, "rules.yaml");
      await writeFile(file, JSON.stringify({ groups: [{ name: "dashboards", rules }] }));
      const { stdout } = await run(promtool.path ?? "", ["check", "rules", file]);
      expect(stdout).toContain(`SUCCESS: ${rules.length} rules found`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

test("every alert has a test, a sentence and a next step", async () => {
  const alert = z.object({
    alert: z.string(),
    labels: z.object({ severity: z.enum(["warning", "critical"]) }),
    annotations: z.object({ summary: z.string().min(20), description: z.string().min(20) }),
  });
  const groups = z.object({ groups: z.array(z.object({ rules: z.array(alert) })) });
  const alerts = groups.parse(await readYaml(ALERTS)).groups.flatMap(({ rules }) => rules);
  const tested = await readFile(join(HERE, "alerts.test.yaml"), "utf8");
  expect(alerts.length).toBeGreaterThan(10);
  for (const { alert: name } of alerts)
    expect(tested).toMatch(new RegExp(`alertname: ${name}\\n +exp_alerts:`));
});

test("dashboards and alerts ask only for metrics of ours that there are", async () => {
  const sources = ["../app/api/metrics.ts", "../main/worker/worker.ts"].map((path) =>
    readFile(fileURLToPath(new URL(path, import.meta.url)), "utf8"),
  );
  const source = (await Promise.all(sources)).join();
  const known = new Set([...source.matchAll(/["`](autochrome_\w+)["{]/g)].map(([, name]) => name));
  const text = `${await readFile(ALERTS, "utf8")}\n${queries().join("\n")}`;
  const asked = [...text.matchAll(/\b(autochrome_\w+?)(?:_bucket)?(?=[{[)\s]|$)/g)].map(([, name]) => name);
  expect(new Set(asked).size).toBeGreaterThan(6);
  expect([...new Set(asked)].filter((name) => !known.has(name))).toEqual([]);
});

test("the dashboards' files are those of dashboards.ts", async () => {
  const made = dashboards();
  expect((await readdir(join(CHART, "dashboards"))).sort()).toEqual(Object.keys(made).sort());
  for (const [name, board] of Object.entries(made)) {
    const written: unknown = JSON.parse(await readFile(join(CHART, "dashboards", name), "utf8"));
    expect(written, name).toEqual(JSON.parse(JSON.stringify(board)));
  }
});

describe.skipIf(helm.missing)(`the base for kustomize${because(helm.missing)}`, () => {
  test("is what the chart makes", async () => {
    const written = parseObjects(await readFile(join(KUSTOMIZE, "base", "autochrome.yaml"), "utf8"));
    expect(written).toEqual(await kustomizeObjects(helm.path ?? ""));
    expect(JSON.stringify(written)).not.toMatch(/helm/i);
  });
});

describe.skipIf(kubectl)(`kustomize${because(kubectl)}`, () => {
  const build = async (folder: string) =>
    parseObjects((await run("kubectl", ["kustomize", join(KUSTOMIZE, folder)])).stdout);

  test("puts all of the base into its namespace, which is restricted", async () => {
    const objects = await build("base");
    const [space] = objects.filter(({ kind }) => kind === "Namespace");
    expect(space?.metadata.labels).toMatchObject({ "pod-security.kubernetes.io/enforce": "restricted" });
    const others = objects.filter(({ kind }) => kind !== "Namespace");
    expect(others.length).toBeGreaterThan(10);
    for (const { metadata } of others) expect(metadata.namespace).toBe(space?.metadata.name);
    expect(JSON.stringify(others.find(({ kind }) => kind === "RoleBinding"))).toContain(
      `"namespace":"${space?.metadata.name}"`,
    );
  });

  test("the example changes what it says, and pods stay restricted", async () => {
    const objects = await build(join("overlays", "gpu"));
    for (const pod of objects.map(podOf)) expect(pod === undefined ? [] : complaints(pod)).toEqual([]);
    const server = podOf(objects.find(({ kind }) => kind === "Deployment") ?? none());
    expect(server?.containers[0]).toMatchObject({
      image: "registry.studio.example/autochrome:0.1.0-cuda",
      resources: { limits: { "nvidia.com/gpu": "1", cpu: "4" } },
    });
    const others = objects.filter((object) => JSON.stringify(object).includes("registry.example.com"));
    expect(others.map(({ kind }) => kind)).toEqual([]);
  });
});

describe.skipIf(helm.missing)(`Argo CD${because(helm.missing)}`, () => {
  const application = z.object({
    spec: z.object({
      source: z.object({
        path: z.string(),
        targetRevision: z.string(),
        helm: z.object({ valuesObject: z.record(z.string(), z.unknown()) }),
      }),
    }),
  });

  test("the application's values render, in order", async () => {
    const { source } = application.parse(await readYaml(join(HERE, "gitops", "application.yaml"))).spec;
    expect(source).toMatchObject({ path: "k8s/chart", targetRevision: `v${VERSION}` });
    const folder = await mkdtemp(join(tmpdir(), "autochrome-argo-"));
    try {
      const file = join(folder, "values.yaml");
      await writeFile(file, JSON.stringify(source.helm.valuesObject));
      const objects = await renderChart(helm.path ?? "", { values: [file] });
      const waves = objects.map(({ metadata }) =>
        Number(metadata.annotations?.["argocd.argoproj.io/sync-wave"]),
      );
      expect(waves.filter((wave) => Number.isNaN(wave))).toEqual([]);
      expect(new Set(waves)).toEqual(new Set([-2, -1, 0, 2, 3]));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("the image", () => {
  let dockerfile: string;
  beforeAll(async () => {
    dockerfile = await readFile(join(HERE, "Dockerfile"), "utf8");
  });

  test("has the versions of the program and of ONNX Runtime", async () => {
    expect(dockerfile).toContain(`ARG ONNX_RUNTIME_VERSION=${ONNX_RUNTIME_VERSION}\n`);
    expect(dockerfile).toContain(`ARG VERSION=${VERSION}\n`);
    const chart = z.object({ version: z.string(), appVersion: z.string() });
    expect(chart.parse(parse(await readFile(join(CHART, "Chart.yaml"), "utf8")))).toEqual({
      version: VERSION,
      appVersion: VERSION,
    });
  });

  test("runs as a numbered user that is not root, by one command, and writes only where volumes are", async () => {
    expect(dockerfile.match(/^USER .*/gm)).toEqual(["USER 10001:10001"]);
    expect(dockerfile).not.toContain("HEALTHCHECK");
    expect(dockerfile).toContain('ENTRYPOINT ["node", "main/cli/autochrome.ts"]');
    expect(dockerfile.trim().split("\n").at(-1)).toBe("FROM program");
    const deployment = parseObjects(await readFile(join(KUSTOMIZE, "base", "autochrome.yaml"), "utf8")).find(
      ({ kind }) => kind === "Deployment",
    );
    const mounts = JSON.stringify(deployment);
    for (const [, folder] of dockerfile.matchAll(/(?:HOME|XDG_CACHE_HOME|TMPDIR)=(\S+)/g))
      expect(mounts).toContain(`"mountPath":"${folder}"`);
  });
});

/** All queries of all dashboards. */
function queries(): string[] {
  const board = z.object({
    panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })) })),
  });
  return Object.values(dashboards()).flatMap((one) =>
    board.parse(one).panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  );
}

/** A query as Grafana sends it: its variables filled in. */
function plain(expr: string): string {
  return expr.replaceAll("$__rate_interval", "5m").replaceAll("$namespace", ".+").replaceAll('"$1"', '"$$1"');
}

function none(): never {
  throw new Error("there is none");
}

function because(missing: string | undefined): string {
  return missing === undefined ? "" : ` (skipped: ${missing})`;
}
