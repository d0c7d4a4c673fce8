// Looks at everything on the cluster that a batch needs, changes nothing, and says what is missing.
//
// Owns: the order of the findings, and those about the server, the namespace, a trial Job and the image.
// Must never: create, change or delete anything.
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";
import { gpus, kueue, quotas } from "./capacity.ts";
import type { Cluster, ServerVersion } from "./connect.ts";
import { explainPull } from "./explain.ts";
import type { CheckOptions, Finding } from "./findings.ts";
import { assertNewEnough, jobFor, OLDEST, submissionSchema } from "./job-spec.ts";
import { isDone } from "./jobs.ts";
import { type EventObject, eventSchema, itemsOf, pathOf } from "./objects.ts";
import { refusal } from "./refusals.ts";
import { rights } from "./rights.ts";

/** Looks at everything; an error becomes a finding. @throws only the signal's reason */
export async function checkCluster(cluster: Cluster, options: CheckOptions): Promise<Finding[]> {
  const { signal } = options;
  const reached = await reach(cluster, signal);
  if (reached.version === undefined) return [...reached.findings, ...storage(options)];
  const version = reached.version;
  const looks: readonly (readonly [string, () => Promise<Finding[]>])[] = [
    ["rights", () => rights(cluster, options)],
    ["namespace", () => namespace(cluster, signal)],
    ["trial Job", () => trial(cluster, version, options)],
    ["GPUs", () => gpus(cluster, options)],
    ["Kueue", () => kueue(cluster, options)],
    ["quota", () => quotas(cluster, signal)],
    ["image", () => image(cluster, options)],
  ];
  const findings = [...reached.findings];
  for (const [about, look] of looks)
    findings.push(
      ...(await look().catch((thrown) => {
        signal?.throwIfAborted();
        if (!(thrown instanceof AutochromeError)) throw thrown;
        return [{ about, ok: false, found: thrown.message, next: thrown.next }];
      })),
    );
  return [...findings, ...storage(options)];
}

async function reach(
  cluster: Cluster,
  signal: AbortSignal | undefined,
): Promise<{ findings: Finding[]; version: ServerVersion | undefined }> {
  const about = "cluster";
  const where = `${cluster.context} at ${new URL(cluster.server).host}`;
  try {
    const version = await cluster.version(signal);
    const { ms } = await cluster.ask({ verb: "get", resource: "version", path: "/version", signal });
    const open = cluster.insecure
      ? [
          {
            about: "encryption",
            ok: false,
            found: "the kubeconfig says not to check who the server is (insecure-skip-tls-verify)",
            next: "Put certificate-authority-data into the kubeconfig instead.",
          },
        ]
      : [];
    return {
      version,
      findings: [
        { about, ok: true, found: `${where} answers in ${Math.round(ms)} ms` },
        ...open,
        versionFinding(version),
      ],
    };
  } catch (thrown) {
    signal?.throwIfAborted();
    if (!(thrown instanceof AutochromeError)) throw thrown;
    return {
      version: undefined,
      findings: [{ about, ok: false, found: `${where}: ${thrown.message}`, next: thrown.next }],
    };
  }
}

function versionFinding(version: ServerVersion): Finding {
  const about = "version";
  try {
    assertNewEnough(version);
    return {
      about,
      ok: true,
      found: `Kubernetes ${version.words} (needs ${OLDEST.major}.${OLDEST.minor} or newer)`,
    };
  } catch (thrown) {
    if (!(thrown instanceof AutochromeError)) throw thrown;
    return { about, ok: false, found: thrown.message, next: thrown.next };
  }
}

const namespaceSchema = z.object({
  metadata: z.object({
    labels: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
});

async function namespace(cluster: Cluster, signal: AbortSignal | undefined): Promise<Finding[]> {
  const name = cluster.namespace;
  const answer = await cluster.ask({
    verb: "get",
    resource: "namespaces",
    path: `/api/v1/namespaces/${name}`,
    signal,
  });
  const about = "namespace";
  if (answer.status === 404)
    return [
      {
        about,
        ok: false,
        found: `${name} is not there`,
        next: `Create it (kubectl create namespace ${name}), or set another one as kubeNamespace.`,
      },
    ];
  const found = namespaceSchema.safeParse(answer.body);
  if (!isDone(answer) || !found.success)
    return [
      {
        about,
        ok: true,
        found: `${name}; whether it is there cannot be looked at without the right to get namespaces`,
      },
      {
        about: "pod security",
        ok: true,
        found: "cannot be looked at without that right; our pods keep to “restricted”",
      },
    ];
  const { labels, deletionTimestamp } = found.data.metadata;
  if (deletionTimestamp !== undefined)
    return [
      { about, ok: false, found: `${name} is being deleted`, next: "Set another one as kubeNamespace." },
    ];
  const level = labels["pod-security.kubernetes.io/enforce"];
  return [
    { about, ok: true, found: name },
    {
      about: "pod security",
      ok: true,
      found: `${level === undefined ? "none set for the namespace" : `“${level}”`}; our pods keep to “restricted”`,
    },
  ];
}

/** A Job that the server looks at as if it were to be started: quotas, rules, fields that it does not know. */
async function trial(cluster: Cluster, version: ServerVersion, options: CheckOptions): Promise<Finding[]> {
  const about = "trial Job";
  if (version.major < OLDEST.major || (version.major === OLDEST.major && version.minor < OLDEST.minor))
    return [];
  const submission = submissionSchema.parse({
    ...{ install: "check", batch: "check", attempt: 1, manifest: "check", chunks: 1, parallelism: 1 },
    image: options.image ?? "autochrome",
    gpu: options.gpu,
    queue: options.queue,
  });
  const answer = await cluster.ask({
    verb: "create",
    resource: "jobs",
    path: pathOf("jobs", cluster.namespace),
    query: { dryRun: "All", fieldValidation: "Strict" },
    body: jobFor(submission, version),
    signal: options.signal,
  });
  if (isDone(answer) || (answer.status === 409 && /AlreadyExists/.test(JSON.stringify(answer.body)))) {
    const warnings = answer.warnings.filter((line) => line !== "");
    return [
      warnings.length === 0
        ? { about, ok: true, found: "the server would take it" }
        : {
            about,
            ok: false,
            found: `the server would take it, but says: ${warnings.join("; ")}`,
            next: "Check the settings for pods.",
          },
    ];
  }
  const { message, next } = refusal(answer, "start Jobs", cluster.namespace);
  return [{ about, ok: false, found: message, next }];
}

async function image(cluster: Cluster, { image: name, signal }: CheckOptions): Promise<Finding[]> {
  const about = "image";
  if (name === undefined)
    return [
      {
        about,
        ok: false,
        found: "none is set",
        next: "Set clusterImage to the image of Autochrome that your cluster can pull.",
      },
    ];
  const events = async (reason: string) => {
    const answer = await cluster.ask({
      verb: "list",
      resource: "events",
      path: pathOf("events", cluster.namespace),
      query: { fieldSelector: `reason=${reason}` },
      signal,
    });
    return itemsOf(eventSchema, answer.body)
      .filter(({ message }) => message.includes(`"${name}"`))
      .sort((one, other) => (timeOf(one) < timeOf(other) ? 1 : -1))[0];
  };
  const failed = await events("Failed");
  const pulled = await events("Pulled");
  if (failed !== undefined && timeOf(failed) > (pulled === undefined ? "" : timeOf(pulled))) {
    const { message, next } = explainPull(failed.reason, failed.message, name);
    return [{ about, ok: false, found: `${message} (${timeOf(failed)})`, next }];
  }
  return [
    {
      about,
      ok: true,
      found:
        pulled === undefined
          ? `${name}; no trouble with pulling it is known here`
          : `${name} was pulled at ${timeOf(pulled)}`,
    },
  ];
}

function timeOf({ lastTimestamp, eventTime }: EventObject): string {
  return lastTimestamp ?? eventTime ?? "";
}

function storage({ storage: found }: CheckOptions): Finding[] {
  const about = "storage";
  if (found === undefined)
    return [
      {
        about,
        ok: false,
        found: "none is set",
        next: "Set where a batch's files go: a bucket, or the service of our chart.",
      },
    ];
  return [{ about, ok: found.ok, found: found.message, ...(found.ok ? {} : { next: found.next }) }];
}
