// What is read of the cluster's objects. Owns: their schemas and addresses. Must never: ask for anything.
import { z } from "zod";

const metadataSchema = z.object({
  name: z.string(),
  uid: z.string().default(""),
  resourceVersion: z.string().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});

const conditionSchema = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().default(""),
  message: z.string().default(""),
});
export type Condition = z.infer<typeof conditionSchema>;

export const jobSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({
    completions: z.number().default(1),
    parallelism: z.number().default(1),
    suspend: z.boolean().default(false),
  }),
  status: z
    .object({
      active: z.number().default(0),
      ready: z.number().default(0),
      startTime: z.string().optional(),
      /** "1,3-5". */
      completedIndexes: z.string().default(""),
      failedIndexes: z.string().default(""),
      conditions: z.array(conditionSchema).default([]),
    })
    .prefault({}),
});
export type JobObject = z.infer<typeof jobSchema>;

const stateSchema = z.object({
  waiting: z.object({ reason: z.string().default(""), message: z.string().default("") }).optional(),
  running: z.object({}).optional(),
  terminated: z
    .object({ exitCode: z.number(), reason: z.string().default(""), message: z.string().default("") })
    .optional(),
});

export const podSchema = z.object({
  metadata: metadataSchema,
  spec: z
    .object({
      nodeName: z.string().optional(),
      containers: z.array(z.object({ image: z.string().default("") })).default([]),
    })
    .prefault({}),
  status: z
    .object({
      phase: z.string().default(""),
      reason: z.string().default(""),
      message: z.string().default(""),
      conditions: z.array(conditionSchema).default([]),
      containerStatuses: z
        .array(z.object({ image: z.string().default(""), state: stateSchema.prefault({}) }))
        .default([]),
    })
    .prefault({}),
});
export type PodObject = z.infer<typeof podSchema>;

export const eventSchema = z.object({
  reason: z.string().default(""),
  message: z.string().default(""),
  type: z.string().default(""),
  involvedObject: z.object({ kind: z.string().default(""), name: z.string().default("") }).prefault({}),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
});
export type EventObject = z.infer<typeof eventSchema>;

/** Kueue's own record of a Job that waits. */
export const workloadSchema = z.object({
  metadata: metadataSchema,
  status: z.object({ conditions: z.array(conditionSchema).default([]) }).prefault({}),
});
export type WorkloadObject = z.infer<typeof workloadSchema>;

/** A list's items; what does not look like one is left out. */
export function itemsOf<Item>(schema: z.ZodType<Item>, body: unknown): Item[] {
  const list = z.object({ items: z.array(z.unknown()) }).safeParse(body);
  return (list.data?.items ?? []).flatMap((item) => schema.safeParse(item).data ?? []);
}

/** Indexes as Jobs write them: "1,3-5" → 1, 3, 4, 5. */
export function indexesOf(ranges: string): number[] {
  return ranges.split(",").flatMap((range) => {
    const [, first, last = first] = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(range.trim()) ?? [];
    if (first === undefined) return [];
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, offset) => Number(first) + offset);
  });
}

/** Path of a kind in a namespace, or of one object of it. */
export function pathOf(kind: keyof typeof ROOTS, namespace: string, name?: string): string {
  return `${ROOTS[kind]}/namespaces/${namespace}/${kind}${name === undefined ? "" : `/${name}`}`;
}

const ROOTS = {
  jobs: "/apis/batch/v1",
  pods: "/api/v1",
  secrets: "/api/v1",
  events: "/api/v1",
  resourcequotas: "/api/v1",
} as const;
