// `cluster jobs` and `cluster logs` on a real cluster, with the rights of the chart's Role and no others: while a batch waits to
// be fetched, when its pods cannot work, and when nothing of it is left.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadYaml } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { runBatch } from "../../app/batches/index.ts";
import { rightsFor } from "../../app/cluster/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";
import { installId } from "../../main/cli/cluster.ts";
import { clusterJobs, clusterLogs } from "../../main/cli/commands/cluster-jobs.ts";
import type { Output } from "../../main/cli/output.ts";
import { missingForScenes, type Scene, startScene } from "./scene.ts";

const missing = await missingForScenes();
const log = silentLogger();
const kubeconfigSchema = z.looseObject({ users: z.array(z.object({ name: z.string() })) });

describe.skipIf(missing)(`jobs and logs${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene();
  }, 300_000);
  afterAll(() => scene?.stop(), 60_000);
  afterEach(() => void vi.unstubAllEnvs());

  /** A namespace whose settings are this process's, with an account that has the chart's rights. */
  async function settle(name: string): Promise<string> {
    const namespace = await scene.namespace(name);
    const make = async (path: string, body: object) => {
      const answer = await scene.admin.ask({ verb: "create", resource: "test", path, body });
      expect(answer).toMatchObject({ status: 201 });
    };
    const access = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    await make(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: "app" } });
    await make(`${access}/roles`, {
      metadata: { name: "app" },
      rules: rightsFor({ queue: undefined, proxied: undefined }).map(({ group, resource, verb }) => ({
        ...{ apiGroups: [group], resources: [resource], verbs: [verb] },
      })),
    });
    await make(`${access}/rolebindings`, {
      metadata: { name: "app" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "app" },
      subjects: [{ kind: "ServiceAccount", name: "app", namespace }],
    });
    const config = kubeconfigSchema.parse(loadYaml(await readFile(scene.plane.kubeconfig, "utf8")));
    const token = await scene.plane.token(namespace, "app", 3600);
    const kubeconfig = join(scene.folder, `${namespace}.kubeconfig`);
    const users = config.users.map((user) => ({ name: user.name, user: { token } }));
    await writeFile(kubeconfig, JSON.stringify({ ...config, users }));
    const settings = { ...(await scene.settings(namespace)), AUTOCHROME_KUBECONFIG: kubeconfig };
    for (const [key, value] of Object.entries(settings)) vi.stubEnv(key, value);
    vi.stubEnv("AUTOCHROME_CONFIG", "/nonexistent/config.json");
    return namespace;
  }

  test("finished Jobs whose results nobody fetched yet, one line each; their pods' logs in sentences", async () => {
    const namespace = await settle("told");
    const album = await scene.album("told", 30);
    const batch = await album.queue("cluster");
    const install = await installId();
    const desk = () => scene.desk({ namespace, perChunk: 10, parallelism: 2, submission: { install } });
    const { executor } = await desk();
    const stop = new AbortController();
    await runBatch({
      ...{ library: album.library, executor, batch, log, stop: stop.signal },
      onItem: () => stop.abort(),
    });
    await executor.close();
    const jobs = async () => (await heard((output) => clusterJobs(output))).lines;
    await expect
      .poll(jobs, { timeout: 120_000, interval: 1000 })
      .toMatchObject([{ batch, attempt: 1, state: "complete", parts: 3, done: 3, failed: 0, pods: 0 }]);

    const { code, lines, text } = await heard((output) => clusterLogs(batch, {}, output));
    expect(code).toBe(0);
    for (const part of [1, 2, 3]) {
      const said = lines.filter((line) => line.part === part).map((line) => line.text);
      expect(said.at(0)).toBe("Begins with 10 photos.");
      expect(said).toContain("10 photos done.");
      expect(said.at(-1)).toBe("Its part is done: 10 photos coloured.");
    }
    expect(text).toMatch(/part 2 of attempt 1, succeeded on node-\d/);
    const pod = String(lines[0]?.pod);
    const one = await heard((output) => clusterLogs(batch, { pod }, output));
    expect(new Set(one.lines.map((line) => line.pod))).toEqual(new Set([pod]));

    const again = await desk();
    await runBatch({ library: album.library, executor: again.executor, batch, log });
    await album.expectExact(batch);
    expect((await heard((output) => clusterJobs(output))).lines).toEqual([]);
    const gone = async () => (await heard((output) => clusterLogs(batch, {}, output))).code;
    await expect.poll(gone, { timeout: 60_000, interval: 500 }).toBe(1);
    const { text: advice } = await heard((output) => clusterLogs(batch, {}, output));
    expect(advice).toContain(`autochrome batch show ${batch}`);
  }, 400_000);

  test("pods that cannot work: the Job says so, and the log says why and what to do", async () => {
    const namespace = await settle("troubled");
    const album = await scene.album("troubled", 4);
    const batch = await album.queue("cluster");
    const environment = { AUTOCHROME_DEVICE: "cuda" };
    const submission = { install: await installId(), environment };
    const { executor } = await scene.desk({ namespace, perChunk: 4, submission });
    await expect(runBatch({ library: album.library, executor, batch, log })).rejects.toMatchObject({
      code: "cluster-refused",
    });
    const { lines, text } = await heard((output) => clusterJobs(output));
    expect(lines).toMatchObject([{ batch, state: "failed", parts: 1, done: 0 }]);
    expect(text).toContain("cannot work as they are set up");
    const said = (await heard((output) => clusterLogs(batch, {}, output))).lines;
    expect(said).toContainEqual(
      expect.objectContaining({ part: 1, text: expect.stringContaining("GPU"), next: expect.any(String) }),
    );
  }, 200_000);
});

/** What a command says, as machine lines and as text. */
async function heard(command: (output: Output) => Promise<number>) {
  const lines: Record<string, unknown>[] = [];
  const words: string[] = [];
  const say = (text: string) => void words.push(text);
  const code = await command({
    ...{ json: false, say, result: say, fail: () => undefined, progress: () => undefined },
    line: (value) => void lines.push({ ...value }),
    summary: (_, sentence) => say(sentence),
  });
  return { code, lines, text: words.join("\n") };
}
