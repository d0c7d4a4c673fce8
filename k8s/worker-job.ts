// The Job that a desktop would make with what the chart publishes, for tests.
// Owns: joining the two. Must never: know defaults of either side.
import { stringify } from "yaml";
import { z } from "zod";
import { jobFor, submissionSchema } from "../app/cluster/kubernetes/job-spec.ts";
import { type KubernetesObject, parseObjects } from "./render.ts";

/** @param config the ConfigMap "…-worker" */
export function workerJob(config: KubernetesObject): KubernetesObject {
  const data = z.object({ "jobs.json": z.string() }).parse(config.data);
  const settings = z.record(z.string(), z.unknown()).parse(JSON.parse(data["jobs.json"]));
  const submission = submissionSchema.parse({
    ...settings,
    ...{ install: "laptop", batch: "b1", attempt: 1, manifest: "batch/b1/manifest.json", chunks: 3 },
  });
  const [job] = parseObjects(stringify(jobFor(submission, { major: 1, minor: 29, words: "v1.29.0" })));
  if (job === undefined) throw new Error("no Job was made");
  return job;
}
