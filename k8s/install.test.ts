// The chart in a real API server: objects accepted, pods let into a restricted namespace, rights as the desktop needs them.
// Needs helm (k8s/tools.ts), kubectl and the control plane of e2e/cluster; skipped, and says why, without them.
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { rightsFor } from "../app/cluster/kubernetes/rights.ts";
import { type ControlPlane, findControlPlane, startControlPlane } from "../e2e/cluster/control-plane.ts";
import { CHART, type KubernetesObject, parseObjects } from "./render.ts";
import { crdFiles } from "./schemas.ts";
import { findTool } from "./tools.ts";
import { workerJob } from "./worker-job.ts";

const run = promisify(execFile);
const helm = await findTool("helm");
const plane = await findControlPlane();
const kubectlMissing = await run("kubectl", ["version", "--client"]).then(
  () => undefined,
  () => "kubectl is not installed",
);
const crds = await crdFiles();
const missing = helm.missing ?? plane.missing ?? kubectlMissing ?? crds.missing;
const CASES = (await readdir(join(CHART, "ci"))).map((name) => name.replace(".yaml", "")).sort();

describe.skipIf(missing)(`a real API server${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let cluster: ControlPlane;
  let folder: string;

  const kubectl = async (...words: string[]) =>
    (await run("kubectl", ["--kubeconfig", cluster.kubeconfig, ...words])).stdout;
  const helmRun = async (...words: string[]) =>
    (await run(helm.path ?? "", [...words, "--kubeconfig", cluster.kubeconfig])).stdout;
  /** What kubectl says of objects that are given to it; never throws. */
  const give = async (objects: readonly object[], ...words: string[]) => {
    const file = join(folder, "objects.json");
    await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    return kubectl(...words, "-f", file).catch((error) => String(error.stderr));
  };
  const get = async (kind: string, namespace: string): Promise<KubernetesObject[]> => {
    const list = z.object({ items: z.array(z.unknown()) });
    const { items } = list.parse(JSON.parse(await kubectl("get", kind, "-n", namespace, "-o", "json")));
    return items.flatMap((item) => parseObjects(JSON.stringify(item)));
  };
  const newNamespace = async (name: string) => {
    const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
    await give([{ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } }], "create");
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "autochrome-install-"));
    cluster = await startControlPlane({ nodes: 1 });
    for (const file of crds.path ?? []) await kubectl("apply", "--server-side", "-f", file);
    await kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s");
  });
  afterAll(async () => {
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test.each(CASES)("helm installs, changes, takes back and removes it: %s", async (name) => {
    const space = `case-${name}`;
    await newNamespace(space);
    const words = [CHART, "-n", space, "--values", join(CHART, "ci", `${name}.yaml`)];
    await helmRun("install", "photos", ...words);
    await helmRun("upgrade", "photos", ...words, "--set", "server.logLevel=debug");
    await helmRun("rollback", "photos", "1", "-n", space);
    const [release] = z
      .array(z.object({ status: z.string(), revision: z.string() }))
      .parse(JSON.parse(await helmRun("list", "-n", space, "-o", "json")));
    expect(release).toEqual({ status: "deployed", revision: "3" });
    await helmRun("uninstall", "photos", "-n", space);
    // Photos are never removed with the program.
    const claims = await get("persistentvolumeclaims", space);
    expect(claims.length).toBe({ everything: 1, s3: 0 }[name] ?? 2);
    expect(await get("deployments", space)).toEqual([]);
  });

  describe("the standard chart", () => {
    const space = "photos";
    const account = `system:serviceaccount:${space}:autochrome-desktop`;
    /** What the server's own authorizer says. @param resource "pods/log" */
    const can = async (verb: string, group: string, resource: string, name?: string) => {
      const [kind, subresource] = resource.split("/");
      const resourceAttributes = { namespace: space, verb, group, resource: kind, subresource, name };
      const spec = {
        user: account,
        groups: ["system:serviceaccounts", "system:authenticated"],
        resourceAttributes,
      };
      const review = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec };
      const status = z.object({ status: z.object({ allowed: z.boolean() }) });
      return status.parse(JSON.parse(await give([review], "create", "-o", "json"))).status.allowed;
    };

    beforeAll(async () => {
      await newNamespace(space);
      const values = join(CHART, "ci", "kueue.yaml");
      const set = ["--set", "admissionPolicy.enabled=true", "--set", "worker.gpu=false"];
      await helmRun("install", "autochrome", CHART, "-n", space, "--values", values, ...set);
    });

    test("its pods are let into a restricted namespace", async () => {
      await expect.poll(() => get("pods", space), { timeout: 60_000, interval: 500 }).toHaveLength(1);
      const warned = await give(
        await get("cronjobs", space),
        "apply",
        "--server-side",
        "--dry-run=server",
        "--force-conflicts",
      );
      expect(warned).not.toMatch(/violate|forbidden/i);
    });

    test("the desktop may do what it must, and no more", async () => {
      const wanted = rightsFor({ queue: "photographs", proxied: "autochrome:8188" });
      for (const { verb, group, resource, name } of wanted)
        expect(await can(verb, group, resource, name), `${verb} ${resource}`).toBe(true);
      for (const [verb, resource, name] of [
        ["get", "secrets"],
        ["list", "secrets"],
        ["create", "pods"],
        ["create", "pods/exec"],
        ["get", "services/proxy", "other:80"],
        ["delete", "persistentvolumeclaims"],
        ["create", "serviceaccounts/token"],
      ] as const)
        expect(await can(verb, "", resource, name), `${verb} ${resource}`).toBe(false);
    });

    test("the desktop's own Job is taken, another image is not", async () => {
      const [config] = (await get("configmaps", space)).filter(
        ({ metadata }) => metadata.name === "autochrome-worker",
      );
      if (config === undefined) throw new Error("there is no ConfigMap");
      const words = ["create", "--dry-run=server", "--validate=strict", "-n", space, "--as", account];
      // A policy counts a moment after it was made.
      const job = workerJob(config);
      const foreign = parseObjects(
        JSON.stringify(job).replaceAll(/"image":"[^"]+"/g, '"image":"evil.example/miner:1"'),
      );
      await expect.poll(() => give(foreign, ...words), { timeout: 30_000 }).toMatch(/run only the image/);
      expect(await give([job], ...words)).toContain("created (server dry run)");
      const secret = { name: "loot", secret: { secretName: "autochrome-auth" } };
      const greedy = JSON.parse(JSON.stringify(job));
      greedy.spec.template.spec.volumes.push(secret);
      expect(await give([greedy], ...words)).toMatch(/only scratch space/);
    });
  });
});
