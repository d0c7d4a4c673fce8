// Kubernetes' pod security standard "restricted", and what we ask of our own pods besides, as a list of complaints.
// Owns: those rules. Must never: change what it looks at.
import { z } from "zod";
import type { KubernetesObject } from "./render.ts";

const amounts = z.record(z.string(), z.union([z.string(), z.number()])).optional();
const containerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  ports: z.array(z.looseObject({ hostPort: z.number().optional() })).default([]),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]),
  resources: z.looseObject({ requests: amounts, limits: amounts }).prefault({}),
  securityContext: z
    .looseObject({
      privileged: z.boolean().optional(),
      allowPrivilegeEscalation: z.boolean().optional(),
      readOnlyRootFilesystem: z.boolean().optional(),
      runAsUser: z.number().optional(),
      capabilities: z
        .looseObject({ drop: z.array(z.string()).default([]), add: z.array(z.string()).default([]) })
        .prefault({}),
    })
    .prefault({}),
});
export const podSchema = z.looseObject({
  serviceAccountName: z.string().optional(),
  automountServiceAccountToken: z.boolean().optional(),
  hostNetwork: z.boolean().optional(),
  hostPID: z.boolean().optional(),
  hostIPC: z.boolean().optional(),
  securityContext: z
    .looseObject({
      runAsNonRoot: z.boolean().optional(),
      runAsUser: z.number().optional(),
      seccompProfile: z.looseObject({ type: z.string() }).optional(),
    })
    .prefault({}),
  containers: z.array(containerSchema),
  initContainers: z.array(containerSchema).default([]),
  volumes: z.array(z.record(z.string(), z.unknown())).default([]),
});
export type Pod = z.infer<typeof podSchema>;

const templateSchema = z.looseObject({ spec: z.unknown() });
const withPods = z.looseObject({
  spec: z.looseObject({
    template: templateSchema.optional(),
    jobTemplate: z.looseObject({ spec: z.looseObject({ template: templateSchema }) }).optional(),
  }),
});

/** The pod that an object makes, or undefined. */
export function podOf(object: KubernetesObject): Pod | undefined {
  if (object.kind === "Pod") return podSchema.parse(object.spec);
  const spec = withPods.safeParse(object).data?.spec;
  const template = spec?.jobTemplate?.spec.template ?? spec?.template;
  return template === undefined ? undefined : podSchema.parse(template.spec);
}

const VOLUMES = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "image",
  "persistentVolumeClaim",
  "projected",
  "secret",
];

/** What a pod does that "restricted" or our own rules do not permit; none is good. */
export function complaints(pod: Pod): string[] {
  const found: string[] = [];
  const must = (isGood: boolean, what: string) => {
    if (!isGood) found.push(what);
  };
  must(!pod.hostNetwork && !pod.hostPID && !pod.hostIPC, "uses the node's namespaces");
  must(pod.securityContext.runAsNonRoot === true, "may run as root");
  must(pod.securityContext.runAsUser !== 0, "runs as root");
  must(pod.securityContext.seccompProfile?.type === "RuntimeDefault", "no seccomp profile");
  must(pod.automountServiceAccountToken === false, "has a token");
  for (const volume of pod.volumes) {
    const kinds = Object.keys(volume).filter((key) => key !== "name");
    must(
      kinds.every((kind) => VOLUMES.includes(kind)),
      `volume ${kinds.join()}`,
    );
  }
  for (const { name, image, securityContext, resources, ports } of [
    ...pod.containers,
    ...pod.initContainers,
  ]) {
    must(securityContext.privileged !== true, `${name} is privileged`);
    must(securityContext.allowPrivilegeEscalation === false, `${name} may gain rights`);
    must(securityContext.readOnlyRootFilesystem === true, `${name} may write to its root`);
    must(securityContext.runAsUser !== 0, `${name} runs as root`);
    must(securityContext.capabilities.drop.includes("ALL"), `${name} keeps capabilities`);
    must(securityContext.capabilities.add.length === 0, `${name} adds capabilities`);
    must(
      ports.every(({ hostPort }) => hostPort === undefined),
      `${name} takes a port of the node`,
    );
    for (const amount of ["cpu", "memory"]) {
      must(resources.requests?.[amount] !== undefined, `${name} requests no ${amount}`);
      must(resources.limits?.[amount] !== undefined, `${name} has no limit of ${amount}`);
    }
    must(!image.endsWith(":latest") && /[:@]/.test(image.slice(image.lastIndexOf("/"))), `${name}: ${image}`);
  }
  return found;
}
