// What we must be allowed to do on the cluster, and whether we are.
//
// Owns: the list of rights, which the chart's Role gives just so. Must never: try a right by using it.
import { z } from "zod";
import type { Cluster } from "./connect.ts";
import type { CheckOptions, Finding } from "./findings.ts";
import { refusal } from "./refusals.ts";

/** Something that one may or may not do. */
export interface Right {
  readonly verb: string;
  readonly group: string;
  /** With its part, where only that is meant: "pods/log". */
  readonly resource: string;
  /** Only on the object of this name. */
  readonly name?: string;
  /** What does not work without it. */
  readonly without: string;
}

const BATCH: readonly (readonly [verb: string, group: string, resource: string, without: string])[] = [
  ["create", "batch", "jobs", "nothing can be started"],
  ["get", "batch", "jobs", "nothing is known of how a batch goes on"],
  ["list", "batch", "jobs", "batches are not found again"],
  ["watch", "batch", "jobs", "changes are seen later"],
  ["patch", "batch", "jobs", "batches cannot be paused"],
  ["delete", "batch", "jobs", "batches cannot be cancelled"],
  ["list", "", "pods", "nobody learns why a batch waits"],
  ["get", "", "pods/log", "what pods say cannot be read"],
  ["list", "", "events", "nobody learns why pods are not made"],
  ["create", "", "secrets", "pods get no access to the storage"],
  ["patch", "", "secrets", "a batch cannot be started again after a crash"],
];
const PROXY = [
  ["get", "results cannot be fetched"],
  ["create", "photos cannot be sent"],
  ["update", "photos cannot be sent"],
  ["delete", "the storage cannot be cleaned up"],
] as const;

/** Every right that a batch needs, one by one. */
export function rightsFor({ queue, proxied }: Pick<CheckOptions, "queue" | "proxied">): Right[] {
  const rights: Right[] = BATCH.map(([verb, group, resource, without]) => ({
    verb,
    group,
    resource,
    without,
  }));
  if (proxied !== undefined)
    for (const [verb, without] of PROXY)
      rights.push({ verb, group: "", resource: "services/proxy", name: proxied, without });
  if (queue !== undefined)
    rights.push({
      ...{ verb: "list", group: "kueue.x-k8s.io", resource: "workloads" },
      without: "nobody learns why a batch waits in its queue",
    });
  return rights;
}

const reviewSchema = z.object({ status: z.object({ allowed: z.boolean() }) });

/** A finding for each right. */
export async function rights(cluster: Cluster, options: CheckOptions): Promise<Finding[]> {
  const { namespace } = cluster;
  return Promise.all(
    rightsFor(options).map(async ({ verb, group, resource: thing, name, without }) => {
      const about = `right to ${verb} ${thing}`;
      const [resource, subresource] = thing.split("/");
      const answer = await cluster.ask({
        verb: "create",
        resource: "selfsubjectaccessreviews",
        path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: { resourceAttributes: { namespace, verb, group, resource, subresource, name } },
        },
        signal: options.signal,
      });
      const review = reviewSchema.safeParse(answer.body);
      if (!review.success) throw refusal(answer, "ask what you may do", namespace);
      if (review.data.status.allowed) return { about, ok: true, found: `granted in ${namespace}` };
      const where = [group === "" ? "" : ` (${group})`, name === undefined ? "" : ` of ${name}`].join("");
      return {
        about,
        ok: false,
        found: `missing in ${namespace}; without it ${without}`,
        next: `Ask who runs the cluster for the verb “${verb}” on ${thing}${where}; the chart's Role has it.`,
      };
    }),
  );
}
