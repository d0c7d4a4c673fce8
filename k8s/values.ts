// What may be set in the chart's values.
// Owns: chart/values.schema.json, which `node k8s/generate.ts` makes from this. Must never: hold standard values; those
// are in chart/values.yaml, with words for people.
import { z } from "zod";

const name = z.string().regex(/^$|^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);
const labels = z.record(z.string(), z.string());
const quantity = z.string().regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/);
const address = z.string().regex(/^$|^https?:\/\/[^\s]+$/);
const cidr = z.string().regex(/^[0-9a-fA-F:.]+\/[0-9]{1,3}$/);
const cron = z.string().regex(/^(\S+ ){4}\S+$|^@\w+$/);
const seconds = z.int().min(0).max(31_536_000);
const port = z.int().min(1).max(65_535);
const digest = z.string().regex(/^$|^sha256:[0-9a-f]{64}$/);
const duration = z.string().regex(/^([0-9]+(ms|s|m|h))+$/);
/** Parts of Kubernetes' own objects: its API judges them. */
const object = z.record(z.string(), z.unknown());
const objects = z.array(object);

const amounts = z.strictObject({ cpu: quantity, memory: quantity, "ephemeral-storage": quantity.optional() });
const resources = z.strictObject({ requests: amounts, limits: amounts });
const claim = z.strictObject({
  enabled: z.boolean(),
  existingClaim: name,
  storageClass: name,
  accessModes: z
    .array(z.enum(["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]))
    .min(1)
    .max(1),
  size: quantity,
});
const bucket = {
  endpoint: address,
  region: z.string(),
  bucket: z.string(),
  prefix: z.string(),
  existingSecret: name,
};
const monitor = z.strictObject({ enabled: z.boolean(), interval: duration, labels });
const days = z.number().min(0).max(36_500);
const gigabytes = z.number().min(0).max(1_000_000);
const placement = { priorityClassName: name, nodeSelector: labels, tolerations: objects, affinity: object };

export const valuesSchema = z.strictObject({
  global: object.optional(),
  nameOverride: name,
  fullnameOverride: name,
  commonLabels: labels,
  imagePullSecrets: z.array(name),
  image: z.strictObject({
    repository: z.string().regex(/^[a-z0-9]+([._/:-]+[a-z0-9]+)*$/),
    tag: z.string().regex(/^$|^[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}$/),
    digest,
    cudaDigest: digest,
    pullPolicy: z.enum(["Always", "IfNotPresent", "Never"]),
  }),
  auth: z.strictObject({
    existingSecret: name.min(1),
    key: z.string().min(1),
    grantsKey: z.string(),
    jwt: z.strictObject({ jwksUrl: address, audience: z.string(), issuer: z.string() }),
  }),
  server: z.strictObject({
    replicas: z.int().min(0).max(100),
    gpu: z.boolean(),
    logLevel: z.enum(["silent", "fatal", "error", "warn", "info", "debug", "trace"]),
    allowedHosts: z.array(z.string().min(1)),
    cors: z.array(z.string().min(1)),
    rateLimit: z.int().min(1).max(1_000_000),
    uploadMaxMb: z.number().min(0.001).max(10_000),
    blobMaxGb: gigabytes,
    retention: z.strictObject({
      uploadMaxDays: days,
      outputMaxDays: days,
      tempMaxDays: days,
      outputMaxGb: gigabytes,
      tempMaxGb: gigabytes,
    }),
    model: z.string().min(1),
    resources,
    startupSeconds: seconds,
    terminationGracePeriodSeconds: seconds,
    scratchSize: quantity,
    ...placement,
    topologySpread: z.array(z.string().min(1)),
    podAnnotations: labels,
    extraEnv: objects,
  }),
  service: z.strictObject({
    type: z.enum(["ClusterIP", "NodePort", "LoadBalancer"]),
    port,
    annotations: labels,
  }),
  ingress: z.strictObject({
    enabled: z.boolean(),
    className: name,
    annotations: labels,
    hosts: z.array(z.string().min(1)),
    tls: z.array(z.strictObject({ secretName: name, hosts: z.array(z.string()) })),
  }),
  httpRoute: z.strictObject({
    enabled: z.boolean(),
    annotations: labels,
    parentRefs: objects,
    hostnames: z.array(z.string().min(1)),
    requestTimeout: duration,
  }),
  autoscaling: z.strictObject({
    enabled: z.boolean(),
    minReplicas: z.int().min(1).max(100),
    maxReplicas: z.int().min(1).max(100),
    metric: z.enum(["cpu", "queue"]),
    cpuPercent: z.int().min(1).max(100),
    queue: z.strictObject({ metricName: z.string().min(1), labels, perPod: z.int().min(1) }),
    scaleDownSeconds: z.int().min(0).max(3600),
  }),
  podDisruptionBudget: z.strictObject({
    enabled: z.boolean(),
    maxUnavailable: z.union([z.int().min(1), z.string().regex(/^[0-9]+%$/)]),
  }),
  persistence: z.strictObject({ library: claim, blobs: claim, keep: z.boolean() }),
  models: z.strictObject({
    source: z.enum(["image", "claim", "oci"]),
    existingClaim: name,
    ociReference: z.string(),
  }),
  staging: z.strictObject({
    kind: z.enum(["gateway", "s3"]),
    s3: z.strictObject({ ...bucket, insideEndpoint: address }),
  }),
  retention: z.strictObject({ enabled: z.boolean(), schedule: cron, maxDays: z.int().min(1).max(3650) }),
  backup: z.strictObject({
    enabled: z.boolean(),
    schedule: cron,
    image: z.string().min(1),
    keepDays: z.int().min(1).max(36_500),
    s3: z.strictObject(bucket),
  }),
  gpu: z.strictObject({
    resourceName: z.string().regex(/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/),
    migProfile: z.string().regex(/^$|^[1-7]g\.[0-9]+gb(\.[a-z0-9.]+)?$/),
    runtimeClassName: name,
    tolerations: objects,
    nodeSelector: labels,
  }),
  worker: z.strictObject({
    gpu: z.boolean(),
    parallelism: z.int().min(1).max(10_000),
    cpu: z.strictObject({ request: quantity, limit: quantity }),
    memory: z.strictObject({ request: quantity, limit: quantity }),
    scratchSize: quantity,
    ...placement,
    graceSeconds: z.int().min(5).max(600),
    chunkSeconds: z.int().min(60),
    keepSeconds: seconds,
    environment: labels,
  }),
  kueue: z.strictObject({
    queueName: name,
    create: z.boolean(),
    nodeLabels: labels,
    nodeTaints: objects,
    quota: z.strictObject({ cpu: quantity, memory: quantity, gpu: z.int().min(0) }),
  }),
  desktop: z.strictObject({
    create: z.boolean(),
    subjects: z.array(
      z.strictObject({
        kind: z.enum(["User", "Group", "ServiceAccount"]),
        name: z.string().min(1),
        namespace: z.string().optional(),
        apiGroup: z.string().optional(),
      }),
    ),
  }),
  admissionPolicy: z.strictObject({ enabled: z.boolean() }),
  resourceQuota: z.record(z.string(), z.union([z.string(), z.int()])),
  networkPolicy: z.strictObject({
    enabled: z.boolean(),
    ingressFrom: objects,
    prometheusFrom: objects,
    apiServerCidrs: z.array(cidr),
    dns: z.strictObject({ to: objects, ports: z.array(port).min(1) }),
    s3: z.strictObject({ cidrs: z.array(cidr), ports: z.array(port) }),
    extraEgress: objects,
  }),
  monitoring: z.strictObject({
    serviceMonitor: monitor,
    podMonitor: monitor,
    prometheusRule: z.strictObject({ enabled: z.boolean(), labels }),
    dashboards: z.strictObject({ enabled: z.boolean(), labels }),
  }),
  argocd: z.strictObject({ syncWaves: z.boolean() }),
  extraObjects: objects,
});

/** The JSON Schema that Helm checks values against; draft 7, which old and new Helm understand. */
export function valuesJsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(valuesSchema, { target: "draft-7" }), null, 2)}\n`;
}
