// The chart as helm renders it: every object valid, every pod restricted, rights as few as possible.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { z } from "zod";
import { rightsFor } from "../app/cluster/kubernetes/rights.ts";
import { configSchema, environmentName } from "../app/kernel/index.ts";
import { CHART, type KubernetesObject, parseObjects, readYaml, renderChart } from "./render.ts";
import { complaints, podOf } from "./restricted.ts";
import { schemaLocation, writeSchemas } from "./schemas.ts";
import { findTool } from "./tools.ts";
import { valuesJsonSchema, valuesSchema } from "./values.ts";
import { workerJob } from "./worker-job.ts";

const run = promisify(execFile);
const helm = await findTool("helm");
const kubeconform = await findTool("kubeconform");
/** Several pods, and all that they need. */
const SEVERAL = {
  "autoscaling.enabled": true,
  "auth.grantsKey": "grants",
  "persistence.blobs.existingClaim": "shared",
};
const CASES = (await readdir(join(CHART, "ci"))).sort();

test("values.yaml fits the schema, and the schema is the one of values.ts", async () => {
  expect(valuesSchema.safeParse(await readYaml(join(CHART, "values.yaml"))).error).toBeUndefined();
  const written: unknown = JSON.parse(await readFile(join(CHART, "values.schema.json"), "utf8"));
  expect(written).toEqual(JSON.parse(valuesJsonSchema()));
});

test("every value has words beside it or above its group", async () => {
  const text = await readFile(join(CHART, "values.yaml"), "utf8");
  const groups = [...text.matchAll(/^(\w+):/gm)].map(([, name]) => name);
  expect(groups.sort()).toEqual(
    Object.keys(valuesSchema.shape)
      .filter((key) => key !== "global")
      .sort(),
  );
});

describe.skipIf(helm.missing)(`rendered${because(helm.missing)}`, () => {
  const program = helm.path ?? "";
  const rendered = new Map<string, KubernetesObject[]>();
  const of = (name: string) => rendered.get(name) ?? [];
  const one = (name: string, kind: string, end = "") => {
    const found = of(name).filter((object) => object.kind === kind && object.metadata.name.endsWith(end));
    expect(found, `${kind} in ${name}`).toHaveLength(1);
    return found[0] as KubernetesObject;
  };
  const refused = async (set: Record<string, unknown>) =>
    String(
      await renderChart(program, { set }).then(
        () => "was rendered",
        (error) => error.stderr,
      ),
    );

  beforeAll(async () => {
    rendered.set("standard", await renderChart(program));
    for (const name of CASES)
      rendered.set(
        name.replace(".yaml", ""),
        await renderChart(program, { values: [join(CHART, "ci", name)] }),
      );
  });

  test.each(["standard", ...CASES])("helm lint takes it: %s", async (name) => {
    const values = name === "standard" ? [] : ["--values", join(CHART, "ci", name)];
    const { stdout } = await run(program, ["lint", "--strict", CHART, ...values]);
    expect(stdout).toContain("0 chart(s) failed");
  });

  test("every pod is restricted, has requests and limits, and no token", () => {
    const pods = [...rendered].flatMap(([name, objects]) =>
      objects.flatMap((object) => {
        const pod = podOf(object);
        return pod === undefined ? [] : [{ where: `${name}: ${object.kind} ${object.metadata.name}`, pod }];
      }),
    );
    expect(pods.length).toBeGreaterThan(CASES.length * 2);
    expect(pods.flatMap(({ where, pod }) => complaints(pod).map((what) => `${where}: ${what}`))).toEqual([]);
  });

  test("what the desktop reads makes a Job whose pods are restricted, as big as was said", () => {
    for (const [name] of rendered) {
      const pod = podOf(workerJob(one(name, "ConfigMap", "-worker")));
      expect(pod === undefined ? ["no pod"] : complaints(pod), name).toEqual([]);
      const accounts = of(name).filter(({ kind }) => kind === "ServiceAccount");
      expect(accounts.map(({ metadata }) => metadata.name)).toContain(pod?.serviceAccountName);
    }
    const usual = podOf(workerJob(one("standard", "ConfigMap", "-worker")))?.containers[0]?.resources;
    expect(usual).toEqual({
      requests: { cpu: "2", memory: "4Gi" },
      limits: { cpu: "4", memory: "8Gi" },
    });
    const mig = podOf(workerJob(one("gpu", "ConfigMap", "-worker")));
    expect(mig?.containers[0]?.resources.limits).toMatchObject({ "nvidia.com/mig-1g.10gb": "1" });
    expect(mig).toMatchObject({ runtimeClassName: "nvidia", priorityClassName: "batch-low" });
    expect(mig?.containers[0]?.image).toMatch(/-cuda$/);
    const shared = workerJob(one("kueue", "ConfigMap", "-worker"));
    expect(shared.metadata.labels).toMatchObject({ "kueue.x-k8s.io/queue-name": "photographs" });
    expect(podOf(shared)?.containers[0]?.resources.limits).toMatchObject({ "nvidia.com/gpu.shared": "1" });
  });

  test("no Secret is made, and no secret stands in an environment", () => {
    for (const [name, objects] of rendered) {
      expect(
        objects.filter(({ kind }) => kind === "Secret"),
        name,
      ).toEqual([]);
      for (const pod of objects.map(podOf))
        for (const { env } of [...(pod?.containers ?? []), ...(pod?.initContainers ?? [])])
          for (const variable of env.filter(({ name: key }) => /KEY|SECRET|TOKEN|PASSWORD/.test(key)))
            expect(variable, `${name}: ${variable.name}`).toHaveProperty("valueFrom.secretKeyRef.name");
    }
  });

  test("the service's variables are settings that it knows", () => {
    const known = new Set(Object.keys(configSchema.shape).map(environmentName));
    const env = podOf(one("everything", "Deployment"))?.containers[0]?.env ?? [];
    const ours = env.map(({ name }) => name).filter((name) => name.startsWith("AUTOCHROME_"));
    expect(ours.length).toBeGreaterThan(12);
    expect(ours.filter((name) => !known.has(name))).toEqual([]);
  });

  test("the desktop's settings are settings that it knows", () => {
    for (const [name] of rendered) {
      const data = z.object({ "settings.json": z.string() }).parse(one(name, "ConfigMap", "-worker").data);
      const settings: unknown = JSON.parse(data["settings.json"]);
      expect(configSchema.safeParse(settings).error, name).toBeUndefined();
    }
    const store = (name: string) =>
      z
        .object({ "settings.json": z.string() })
        .transform((data) => z.object({ clusterStore: z.string() }).parse(JSON.parse(data["settings.json"])))
        .parse(one(name, "ConfigMap", "-worker").data).clusterStore;
    expect(store("standard")).toBe("service://autochrome:8188");
    expect(store("everything")).toBe("https://photos.example.com");
    const bucket = new URL(store("s3"));
    expect([bucket.hostname, bucket.pathname, bucket.searchParams.get("inside")]).toEqual([
      "photos",
      "/autochrome/",
      "http://s3.storage.svc:9000",
    ]);
  });

  const ruleSchema = z.strictObject({
    apiGroups: z.array(z.string()),
    resources: z.array(z.string()),
    resourceNames: z.array(z.string()).optional(),
    verbs: z.array(z.string()),
  });
  const rulesOf = (role: KubernetesObject) => z.array(ruleSchema).parse(role.rules);

  test("the Role gives what the desktop asks for and hardly more", () => {
    const rules = rulesOf(one("kueue", "Role"));
    const given = rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((name) => verbs.map((verb) => `${verb} ${group}/${name}`)),
      ),
    );
    expect(given.filter((right) => right.includes("*"))).toEqual([]);
    const wanted = rightsFor({ queue: "photographs", proxied: "autochrome:8188" });
    const words = wanted.map(({ verb, group, resource }) => `${verb} ${group}/${resource}`);
    expect(words.filter((right) => !given.includes(right))).toEqual([]);
    // What `cluster check` looks at if it may.
    expect(given.filter((right) => !words.includes(right)).sort()).toEqual([
      "get /configmaps",
      "get kueue.x-k8s.io/localqueues",
      "list /resourcequotas",
    ]);
    const named = rules.filter(({ resources }) => /proxy|configmaps/.test(resources.join()));
    expect(named.map(({ resourceNames }) => resourceNames?.length)).toEqual([1, 5]);
    for (const { name } of wanted) if (name !== undefined) expect(named[1]?.resourceNames).toContain(name);
  });

  test("nobody but the desktop has rights, and those in one namespace", () => {
    for (const [name, objects] of rendered) {
      expect(
        objects.filter(({ kind }) => kind.startsWith("Cluster") && kind.includes("Role")),
        name,
      ).toEqual([]);
      const bindings = objects.filter(({ kind }) => kind === "RoleBinding");
      expect(bindings.map(({ metadata }) => metadata.name)).toEqual([one(name, "Role").metadata.name]);
      for (const account of objects.filter(({ kind }) => kind === "ServiceAccount"))
        expect(account.automountServiceAccountToken).toBe(false);
    }
  });

  test("nothing comes in or goes out unless a policy says so", () => {
    for (const [name, objects] of rendered) {
      const denied = one(name, "NetworkPolicy", "-default-deny");
      expect(denied.spec).toMatchObject({ policyTypes: ["Ingress", "Egress"] });
      expect(denied.spec).not.toHaveProperty("ingress");
      expect(denied.spec).not.toHaveProperty("egress");
      const selected = z.object({ podSelector: z.object({ matchLabels: z.record(z.string(), z.string()) }) });
      const { matchLabels } = selected.parse(denied.spec).podSelector;
      const pods = objects.filter((object) => podOf(object) !== undefined);
      for (const { metadata } of pods) expect(metadata.labels).toMatchObject(matchLabels);
      const workers = selected.parse(one(name, "NetworkPolicy", "-worker").spec).podSelector.matchLabels;
      expect(workerJob(one(name, "ConfigMap", "-worker")).metadata.labels).toMatchObject(workers);
    }
  });

  test("the number of pods is said once: by the Deployment, or by the autoscaler", () => {
    expect(one("standard", "Deployment").spec).toMatchObject({ replicas: 1, strategy: { type: "Recreate" } });
    expect(of("standard").map(({ kind }) => kind)).not.toContain("HorizontalPodAutoscaler");
    expect(one("everything", "Deployment").spec).not.toHaveProperty("replicas");
    expect(one("everything", "HorizontalPodAutoscaler").spec).toMatchObject({
      scaleTargetRef: { kind: "Deployment", name: one("everything", "Deployment").metadata.name },
    });
  });

  test("only several pods have a disruption budget", () => {
    for (const [name, objects] of rendered) {
      const wanted = ["everything", "s3"].includes(name) ? 1 : 0;
      expect(
        objects.filter(({ kind }) => kind === "PodDisruptionBudget"),
        name,
      ).toHaveLength(wanted);
    }
  });

  test("a Service finds the server's pods and no others", () => {
    const selector = z
      .object({ selector: z.record(z.string(), z.string()) })
      .parse(one("everything", "Service").spec).selector;
    const found = of("everything").filter(
      (object) =>
        podOf(object) !== undefined &&
        Object.entries(selector).every(([key, value]) => object.metadata.labels?.[key] === value),
    );
    expect(found.map(({ kind }) => kind)).toEqual(["Deployment"]);
  });

  test("probes ask addresses that need no key", () => {
    const [server] = podOf(one("standard", "Deployment"))?.containers ?? [];
    expect(server).toMatchObject({
      startupProbe: { httpGet: { path: "/healthz" }, failureThreshold: 60 },
      readinessProbe: { httpGet: { path: "/readyz" } },
      livenessProbe: { httpGet: { path: "/healthz" } },
    });
  });

  test("with Argo CD every object has its turn", () => {
    const waves = of("everything").map(
      ({ kind, metadata }) => `${kind} ${metadata.annotations?.["argocd.argoproj.io/sync-wave"]}`,
    );
    expect(waves).toContain("ServiceAccount -2");
    expect(waves).toContain("ConfigMap -1");
    expect(waves).toContain("Deployment 0");
    expect(waves).toContain("Ingress 1");
    expect(waves).toContain("CronJob 2");
    expect(JSON.stringify(of("standard"))).not.toContain("sync-wave");
  });

  test("rendering twice gives the same", async () => {
    expect(await renderChart(program)).toEqual(of("standard"));
  });

  test.each<[Record<string, unknown>, string]>([
    [{ "server.replicas": 2, "auth.grantsKey": "grants" }, "ReadWriteMany"],
    [{ "server.replicas": 2, "persistence.blobs.existingClaim": "shared" }, "auth.grantsKey"],
    [{ "auth.jwt.issuer": "me" }, "identity provider"],
    [{ "staging.kind": "s3" }, "staging.s3.endpoint"],
    [{ "backup.enabled": true }, "A backup needs"],
    [{ "kueue.create": true }, "kueue.queueName"],
    [{ "ingress.enabled": true }, "ingress.hosts"],
    [{ "httpRoute.enabled": true }, "httpRoute.parentRefs"],
    [{ "models.source": "claim" }, "models.existingClaim"],
    [{ "persistence.blobs.enabled": false }, "persistence.blobs"],
    [{ "autoscaling.minReplicas": 9, ...SEVERAL }, "above maxReplicas"],
    [{ "server.replica": 2 }, "replica"],
    [{ "auth.existingSecret": "" }, "existingSecret"],
    [{ "image.tag": "a b" }, "tag"],
  ])("refuses %j and says why", async (set, word) => {
    expect(await refused(set)).toContain(word);
  });

  describe.skipIf(kubeconform.missing)(`kubeconform${because(kubeconform.missing)}`, () => {
    let folder: string;
    let missing: string | undefined;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "autochrome-schemas-"));
      missing = await writeSchemas(join(folder, "schemas"));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));
    const check = async (objects: readonly object[]) => {
      const file = join(folder, "objects.yaml");
      await writeFile(file, objects.map((object) => stringify(object)).join("---\n"));
      const words = [
        "-strict",
        "-summary",
        "-schema-location",
        schemaLocation(join(folder, "schemas")),
        file,
      ];
      return run(kubeconform.path ?? "", words).catch((error) => error);
    };

    test("knows every object, and its every field", async ({ skip }) => {
      if (missing !== undefined) skip(missing);
      for (const [name, objects] of rendered) {
        const { stdout } = await check([...objects, workerJob(one(name, "ConfigMap", "-worker"))]);
        expect(stdout, name).toContain("Invalid: 0, Errors: 0, Skipped: 0");
      }
    });

    test("would not let a wrong field pass", async ({ skip }) => {
      if (missing !== undefined) skip(missing);
      const [deployment] = of("standard").filter(({ kind }) => kind === "Deployment");
      const spoilt = parseObjects(stringify(deployment).replace("topologyKey", "topologyKeys"));
      expect((await check(spoilt)).stdout).toContain("topologyKeys");
    });
  });
});

function because(missing: string | undefined): string {
  return missing === undefined ? "" : ` (skipped: ${missing})`;
}
