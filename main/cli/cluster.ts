// The cluster as the settings name it: the way to it, where its files lie, what its Jobs are like.
// Must never: keep a credential anywhere but in the settings and the environment.
import { randomUUID } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { createClusterExecutor, type Executor } from "../../app/batches/index.ts";
import {
  type BlobStore,
  type Cluster,
  checkCluster,
  connectCluster,
  type Finding,
  openBlobStore,
  type Patience,
  type StoreCheck,
  type StoreSettings,
  type SubmissionInput,
  submissionSchema,
} from "../../app/cluster/index.ts";
import {
  AutochromeError,
  type Config,
  dataFolder,
  type Logger,
  writeFileAtomically,
} from "../../app/kernel/index.ts";

/** @throws AutochromeError "usage" where the kubeconfig is not there or not valid */
export function clusterOf(config: Config, tries?: number): Promise<Cluster> {
  return connectCluster(
    { kubeconfig: config.kubeconfig, context: config.kubeContext, namespace: config.kubeNamespace },
    tries === undefined ? {} : { tries },
  );
}

/**
 * Where a batch's files go, by the setting clusterStore: "s3://BUCKET/PREFIX?endpoint=…&inside=…&region=…", the address of
 * our service, or "service://NAME:PORT" for our service in the namespace, reached through the API server.
 * @throws AutochromeError "usage"
 */
export async function storeOf(
  config: Config,
  cluster: Cluster | undefined,
  patience: Partial<Patience> = {},
): Promise<BlobStore> {
  return openBlobStore(storeSettings(config, cluster), patience);
}

function storeSettings(config: Config, cluster: Cluster | undefined): StoreSettings {
  const { clusterStore, clusterStoreKey: token } = config;
  if (clusterStore === undefined) {
    throw new AutochromeError(
      "usage",
      "It is not said where the photographs wait for the cluster.",
      "Set clusterStore to a bucket (s3://…) or to the address of the service in the cluster.",
    );
  }
  const url = new URL(clusterStore);
  const one = (name: string) => url.searchParams.get(name) ?? undefined;
  const ca = config.clusterStoreCa;
  switch (url.protocol) {
    case "s3:":
      return {
        kind: "s3",
        bucket: url.hostname,
        prefix: url.pathname.slice(1) || undefined,
        endpoint: one("endpoint"),
        insideEndpoint: one("inside"),
        region: one("region"),
        ca,
      };
    case "service:": {
      const { hostname: name, port } = url;
      if (cluster === undefined) {
        throw new AutochromeError(
          "usage",
          "The storage is reached through the cluster, and there is no kubeconfig.",
          "Set kubeconfig, or clusterStore to the service's own address.",
        );
      }
      return {
        kind: "gateway",
        url: `http://${name}:${port || 8188}`,
        insideUrl: `http://${name}:${port || 8188}`,
        token,
        fetch: cluster.proxyFetch(name, Number(port || 8188)),
      };
    }
    case "http:":
    case "https:":
      return { kind: "gateway", url: clusterStore, insideUrl: config.clusterStoreInside, token, ca };
    default:
      throw new AutochromeError(
        "usage",
        `${url.protocol.slice(0, -1)} is no storage that Autochrome knows.`,
        "Set clusterStore to s3://…, https://… or service://NAME:PORT.",
      );
  }
}

/**
 * Looks at everything on the cluster that a batch needs; changes nothing.
 * @throws AutochromeError "usage" where the kubeconfig is not there or not valid
 */
export async function examineCluster(config: Config): Promise<{
  readonly findings: readonly Finding[];
  readonly context: string;
  readonly namespace: string;
}> {
  const cluster = await clusterOf(config, 3); // somebody waits for the answer
  try {
    const findings = await checkCluster(cluster, {
      image: config.clusterImage,
      gpu: config.clusterGpu === "none" ? undefined : config.clusterGpu,
      queue: config.clusterQueue,
      storage: await checkStorage(config, cluster),
      proxied: proxiedService(config),
    });
    return { findings, context: cluster.context, namespace: cluster.namespace };
  } finally {
    await cluster.close();
  }
}

async function checkStorage(config: Config, cluster: Cluster): Promise<StoreCheck> {
  try {
    const store = await storeOf(config, cluster);
    return await store.check().finally(() => store.close());
  } catch (thrown) {
    if (!(thrown instanceof AutochromeError)) throw thrown;
    return { ok: false, message: thrown.message, next: thrown.next };
  }
}

/** "NAME:PORT" of the service where the storage is reached through the API server. */
export function proxiedService({ clusterStore }: Config): string | undefined {
  const url = clusterStore === undefined ? undefined : new URL(clusterStore);
  return url?.protocol === "service:" ? `${url.hostname}:${url.port || 8188}` : undefined;
}

/** The executor that `--on cluster` means. @param say hears what a batch waits for, when that changes; empty: nothing */
export async function clusterExecutor(
  config: Config,
  log: Logger,
  say: (text: string) => void,
): Promise<Executor> {
  if (config.clusterImage === undefined) {
    throw new AutochromeError(
      "usage",
      "It is not said which image the cluster's pods run.",
      "Set clusterImage to the image of Autochrome that your cluster can pull; see k8s/README.md.",
    );
  }
  const cluster = await clusterOf(config);
  const store = await storeOf(config, cluster).catch(async (error) => {
    await cluster.close();
    throw error;
  });
  const fromChart = await chartSettings(config, cluster).catch((error): FromChart => {
    log.info({ err: error }, "the chart's settings for Jobs cannot be read; our own are taken");
    return {};
  });
  let said = "";
  return createClusterExecutor({
    cluster,
    store,
    perChunk: config.clusterPhotosPerPod,
    submission: {
      ...fromChart,
      install: await installId(),
      image: config.clusterImage,
      parallelism: config.clusterPods,
      gpu: config.clusterGpu === "none" ? undefined : config.clusterGpu,
      queue: config.clusterQueue,
      environment: {
        ...fromChart.environment,
        ...(config.clusterGpu === "none" ? { AUTOCHROME_DEVICE: "cpu" } : {}),
      },
    },
    log,
    onWords(_, words) {
      const text = words.map(({ message, next }) => `${message} ${next}`).join("\n");
      if (text !== said) say(text);
      said = text;
    },
  });
}

/** What tells this installation's work from that of others on the same cluster. */
export async function installId(): Promise<string> {
  const file = join(dataFolder(), "install-id");
  const known = await readFile(file, "utf8").catch(() => "");
  if (/^[0-9a-f-]{36}$/.test(known.trim())) return known.trim();
  const id = randomUUID();
  await mkdir(dataFolder(), { recursive: true });
  await writeFileAtomically(file, `${id}\n`, { overwrite: true });
  return id;
}

const configMapSchema = z.object({ data: z.object({ "jobs.json": z.string() }) });
/** What of a submission whoever runs the cluster may set: how its pods are, not what they do. */
const CHARTS = [
  "imagePullSecrets",
  "serviceAccount",
  "cpu",
  "memory",
  "scratch",
  "graceSeconds",
  "chunkSeconds",
  "keepSeconds",
  "nodeSelector",
  "tolerations",
  "affinity",
  "runtimeClass",
  "priorityClass",
  "environment",
] as const satisfies (keyof SubmissionInput)[];
type FromChart = Partial<Pick<SubmissionInput, (typeof CHARTS)[number]>>;

/** What our chart says of pods, in its ConfigMap; nothing where it is not installed. */
async function chartSettings(config: Config, cluster: Cluster): Promise<FromChart> {
  const release = proxiedService(config)?.split(":")[0] ?? "autochrome";
  const answer = await cluster.ask({
    verb: "get",
    resource: "configmaps",
    path: `/api/v1/namespaces/${cluster.namespace}/configmaps/${release}-worker`,
  });
  const found = configMapSchema.safeParse(answer.body).data;
  if (found === undefined) return {};
  const given = submissionSchema.partial().safeParse(JSON.parse(found.data["jobs.json"])).data ?? {};
  return Object.fromEntries(CHARTS.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]])));
}
