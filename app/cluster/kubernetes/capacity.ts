// What the cluster has for us: GPUs, queues, quotas.
//
// Owns: findings about room. Must never: take being forbidden to look for being full.
import { z } from "zod";
import type { Answer, Cluster } from "./connect.ts";
import type { CheckOptions, Finding } from "./findings.ts";
import { isDone } from "./jobs.ts";
import { itemsOf, pathOf } from "./objects.ts";
import { refusal } from "./refusals.ts";

const nodeSchema = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
  spec: z.object({ unschedulable: z.boolean().default(false) }).prefault({}),
  status: z.object({ allocatable: z.record(z.string(), z.string()).default({}) }).prefault({}),
});

/** GPUs of all nodes, by product. */
export async function gpus(cluster: Cluster, { gpu, signal }: CheckOptions): Promise<Finding[]> {
  const about = "GPUs";
  if (gpu === undefined) return [{ about, ok: true, found: "none wanted: pods colour on CPUs" }];
  const products = new Map<string, number>();
  let nodes = 0;
  let next: string | undefined;
  do {
    const answer: Answer = await cluster.ask({
      verb: "list",
      resource: "nodes",
      path: "/api/v1/nodes",
      query: { limit: "200", ...(next === undefined ? {} : { continue: next }) },
      signal,
    });
    if (answer.status === 403)
      return [
        {
          about,
          ok: true,
          found: `cannot be counted without the right to list nodes; pods will ask for one ${gpu}`,
        },
      ];
    if (!isDone(answer)) throw refusal(answer, "list nodes", cluster.namespace);
    for (const { metadata, spec, status } of itemsOf(nodeSchema, answer.body)) {
      nodes++;
      const count = Number(status.allocatable[gpu] ?? 0);
      if (spec.unschedulable || !(count > 0)) continue;
      const product = metadata.labels["nvidia.com/gpu.product"] ?? "of unknown make";
      products.set(product, (products.get(product) ?? 0) + count);
    }
    next = z.object({ metadata: z.object({ continue: z.string().min(1) }) }).safeParse(answer.body).data
      ?.metadata.continue;
  } while (next !== undefined);
  if (products.size > 0)
    return [
      {
        about,
        ok: true,
        found: `${gpu}: ${[...products].map(([product, count]) => `${count} × ${product}`).join(", ")}`,
      },
    ];
  return [
    {
      about,
      ok: false,
      found: `none of ${nodes} nodes offers ${gpu}`,
      next:
        "Install the GPU's device plug-in, or set clusterGpu to the right name, or to none for CPUs. " +
        "A cluster that adds GPU nodes when they are wanted is all right as it is.",
    },
  ];
}

/** Whether Kueue is there, and our queue. */
export async function kueue(cluster: Cluster, { queue, signal }: CheckOptions): Promise<Finding[]> {
  const about = "Kueue";
  const answer = await cluster.ask({ verb: "get", resource: "kueue", path: "/apis/kueue.x-k8s.io", signal });
  const group = z
    .object({ preferredVersion: z.object({ groupVersion: z.string() }) })
    .safeParse(answer.body).data;
  if (!isDone(answer) || group === undefined)
    return queue === undefined
      ? [{ about, ok: true, found: "not installed, and not needed" }]
      : [
          {
            about,
            ok: false,
            found: `not installed, but the setting clusterQueue names the queue ${queue}`,
            next: "Remove the setting, or install Kueue.",
          },
        ];
  if (queue === undefined)
    return [
      {
        about,
        ok: true,
        found: "installed; Jobs do not wait in a queue of its, since clusterQueue is not set",
      },
    ];
  const path = `/apis/${group.preferredVersion.groupVersion}/namespaces/${cluster.namespace}/localqueues/${queue}`;
  const found = await cluster.ask({ verb: "get", resource: "localqueues", path, signal });
  if (found.status === 404)
    return [
      {
        about,
        ok: false,
        found: `installed, but there is no queue ${queue} in ${cluster.namespace}`,
        next: "Correct clusterQueue, or ask who runs the cluster for the queue.",
      },
    ];
  return [
    {
      about,
      ok: true,
      found: isDone(found) ? `queue ${queue}` : `installed; the queue ${queue} cannot be looked at`,
    },
  ];
}

const quotaSchema = z.object({
  metadata: z.object({ name: z.string() }),
  status: z
    .object({
      hard: z.record(z.string(), z.string()).default({}),
      used: z.record(z.string(), z.string()).default({}),
    })
    .prefault({}),
});

/** What the namespace has left. */
export async function quotas(cluster: Cluster, signal: AbortSignal | undefined): Promise<Finding[]> {
  const about = "quota";
  const answer = await cluster.ask({
    verb: "list",
    resource: "resourcequotas",
    path: pathOf("resourcequotas", cluster.namespace),
    signal,
  });
  if (!isDone(answer))
    return [{ about, ok: true, found: "cannot be looked at without the right to list resourcequotas" }];
  const found = itemsOf(quotaSchema, answer.body);
  if (found.length === 0) return [{ about, ok: true, found: "none" }];
  return found.map(({ metadata, status }) => {
    const entries = Object.entries(status.hard);
    const full = entries.filter(([name, hard]) => amountOf(status.used[name] ?? "0") >= amountOf(hard));
    const say = (list: typeof entries) =>
      list.map(([name, hard]) => `${name} ${status.used[name] ?? "0"} of ${hard}`).join(", ");
    return full.length === 0
      ? { about, ok: true, found: `${metadata.name}: ${say(entries)}` }
      : {
          about,
          ok: false,
          found: `${metadata.name} is used up: ${say(full)}`,
          next: "Wait for other work to end, or ask who runs the cluster for a larger quota.",
        };
  });
}

const UNITS: Readonly<Record<string, number>> = {
  ...{ "": 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** "500m" → 0.5, "8Gi" → 8589934592. */
function amountOf(text: string): number {
  const [, number = "0", unit = ""] = /^([\d.]+)([A-Za-z]*)$/.exec(text) ?? [];
  return Number(number) * (UNITS[unit] ?? 1);
}
