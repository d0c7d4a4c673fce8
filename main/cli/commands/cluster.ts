// `cluster check|clean`: what a batch needs of the configured cluster, one line each; and what is left of old ones.
import { listBatches } from "../../../app/catalogue/index.ts";
import { deleteOrphans, labelValue } from "../../../app/cluster/index.ts";
import { AutochromeError, loadConfig } from "../../../app/kernel/index.ts";
import { clusterOf, examineCluster, installId, storeOf } from "../cluster.ts";
import { createEngine } from "../engine.ts";
import { EXIT } from "../exit.ts";
import { type Output, printable } from "../output.ts";

export async function clusterCheck(output: Output): Promise<number> {
  const { findings, context, namespace } = await examineCluster(loadConfig());
  for (const finding of findings) {
    output.line(finding);
    output.result(`${finding.ok ? "✓" : "✗"} ${finding.about}: ${printable(finding.found)}`);
    if (finding.next !== undefined) output.result(`    ${printable(finding.next)}`);
  }
  const problems = findings.filter(({ ok }) => !ok).length;
  output.summary(
    { findings: findings.length, problems, context, namespace },
    problems === 0 ? "The cluster is ready for batches." : `${problems} to look at.`,
  );
  return problems === 0 ? EXIT.ok : EXIT.failed;
}

/**
 * Clears away what nobody comes back for: Jobs of this installation whose batch is over or unknown, and files that lie in the
 * storage for so many days. Without a kubeconfig, as in the cluster itself, only files.
 */
export async function clusterClean(
  flags: { readonly olderThanDays: number; readonly library?: string },
  output: Output,
): Promise<number> {
  const engine = createEngine({ library: flags.library });
  const { config } = engine;
  const olderThanMs = flags.olderThanDays * 24 * 3_600_000;
  const cluster = await clusterOf(config, 3).catch((thrown: unknown) => {
    if (thrown instanceof AutochromeError && thrown.code === "usage") return undefined;
    throw thrown;
  });
  try {
    let active = new Set<string>();
    let jobs: string[] = [];
    if (cluster !== undefined) {
      const batches = listBatches((await engine.library()).db);
      const open = batches.filter(({ state }) => state === "active" || state === "paused");
      active = new Set(open.map(({ id }) => id));
      const labels = new Set(open.map(({ id }) => labelValue(id)));
      jobs = await deleteOrphans(cluster, await installId(), {
        olderThanMs,
        isNeeded: (batch) => labels.has(batch),
      });
    }
    for (const job of jobs) output.line({ job });
    const store = await storeOf(config, cluster);
    let files = 0;
    try {
      for (const kind of ["batch/", "done/", "out/", "in/", "check/"]) {
        const old: string[] = [];
        for await (const { key, modified } of store.list(kind)) {
          const isOld = Date.now() - Date.parse(modified) > olderThanMs;
          if (isOld && !active.has(key.split("/")[1] ?? "")) old.push(key);
        }
        await store.delete(old);
        files += old.length;
      }
    } finally {
      await store.close();
    }
    output.summary({ jobs: jobs.length, files }, `${jobs.length} Jobs and ${files} files cleared away.`);
    return EXIT.ok;
  } finally {
    await cluster?.close();
    await engine.close();
  }
}
