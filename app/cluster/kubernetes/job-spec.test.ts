import fc from "fast-check";
import { expect, test } from "vitest";
import { chunksFor, jobFor, jobName, labelValue, SPEC_ANNOTATION, submissionSchema } from "./job-spec.ts";
import { submissionFor } from "./testing.ts";

const V134 = { major: 1, minor: 34, words: "v1.34.0" };
const text = fc.string({ minLength: 1, maxLength: 90, unit: "grapheme" });

test("names are DNS labels with room for an index, the same each time, and no two are alike", () => {
  fc.assert(
    fc.property(
      text,
      text,
      fc.integer({ min: 1, max: 99_999 }),
      fc.integer({ min: 1, max: 99_999 }),
      (one, other, a, b) => {
        const name = jobName({ batch: one, attempt: a });
        expect(name).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
        expect(`${name}-99999`.length).toBeLessThanOrEqual(63);
        expect(jobName({ batch: one, attempt: a })).toBe(name);
        if (one !== other || a !== b) expect(jobName({ batch: other, attempt: b })).not.toBe(name);
      },
    ),
  );
  expect(jobName({ batch: "01jabcdefghjkmnpqrstvwxyz0", attempt: 2 })).toBe(
    "autochrome-01jabcdefghjkmnpqrstvwxyz0-2",
  );
});

test("label values are what Kubernetes takes, and no two are alike", () => {
  fc.assert(
    fc.property(text, text, (one, other) => {
      expect(labelValue(one)).toMatch(/^[a-zA-Z0-9]([\w.-]{0,61}[a-zA-Z0-9])?$/);
      if (one !== other) expect(labelValue(one)).not.toBe(labelValue(other));
    }),
  );
});

test("chunks cover all photos once, in order, about equally, within the limit", () => {
  fc.assert(
    fc.property(
      fc.nat(50_000),
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 2000 }),
      (count, perChunk, most) => {
        const chunks = chunksFor(count, perChunk, most);
        expect(chunks.length).toBe(Math.min(Math.ceil(count / perChunk), most));
        let next = 0;
        for (const { start, end } of chunks) {
          expect(start).toBe(next);
          expect(end).toBeGreaterThan(start);
          next = end;
        }
        expect(next).toBe(count);
        const sizes = chunks.map(({ start, end }) => end - start);
        if (sizes.length > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        if (Math.ceil(count / perChunk) <= most) expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(perChunk);
      },
    ),
  );
});

test("the Job: indexed, with limits per index, and a policy for what ends a pod", () => {
  const { metadata, spec } = jobFor(submissionFor(), V134);
  expect(metadata).toMatchObject({
    name: "autochrome-01jabc-1",
    labels: {
      "autochrome.io/install": "laptop",
      "autochrome.io/batch": "01jabc",
      "autochrome.io/attempt": "1",
    },
  });
  expect(spec).toMatchObject({
    ...{ completionMode: "Indexed", completions: 4, parallelism: 2, backoffLimitPerIndex: 3 },
    ...{ activeDeadlineSeconds: 259_200, ttlSecondsAfterFinished: 172_800 },
  });
  expect(
    spec?.podFailurePolicy?.rules.map(({ action, onExitCodes }) => [action, onExitCodes?.values]),
  ).toEqual([
    ["Ignore", undefined],
    ["FailJob", [43]],
    ["FailIndex", [42]],
    ["Count", [137]],
  ]);
  expect(spec).not.toHaveProperty("suspend");
  expect(spec).not.toHaveProperty("maxFailedIndexes");
});

test("the pod keeps to the profile “restricted”, and asks for what the article says", () => {
  const pod = jobFor(submissionFor(), V134).spec?.template.spec;
  expect(pod).toMatchObject({
    ...{ restartPolicy: "Never", automountServiceAccountToken: false, enableServiceLinks: false },
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    tolerations: [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
  });
  const [container] = pod?.containers ?? [];
  expect(container?.securityContext).toEqual({
    ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
  });
  expect(container?.resources).toEqual({
    requests: { cpu: "2", memory: "4Gi", "nvidia.com/gpu": "1" },
    limits: { cpu: "4", memory: "8Gi", "nvidia.com/gpu": "1" },
  });
  expect(container?.command).toEqual(["node", "main/worker/worker.ts"]);
  const environment = Object.fromEntries(
    (container?.env ?? []).map(({ name, value, valueFrom }) => [name, value ?? valueFrom]),
  );
  expect(environment).toMatchObject({
    AUTOCHROME_MANIFEST: "batches/01jabc/1/manifest.json",
    AUTOCHROME_STORE: { secretKeyRef: { name: "autochrome-01jabc-1", key: "store" } },
    AUTOCHROME_FAILURES: {
      fieldRef: { fieldPath: "metadata.annotations['batch.kubernetes.io/job-index-failure-count']" },
    },
    HOME: "/home/autochrome",
  });
  const mounted = container?.volumeMounts?.map(({ mountPath }) => mountPath);
  expect(mounted).toEqual(["/tmp", "/var/cache/autochrome", "/home/autochrome"]);
});

test("what the settings say goes in; without a GPU nothing asks for one", () => {
  const job = jobFor(
    submissionFor({
      ...{
        queue: "photos",
        maxFailedChunks: 9,
        runtimeClass: "nvidia",
        priorityClass: "low",
        serviceAccount: "s",
      },
      nodeSelector: { pool: "gpu" },
      tolerations: [{ key: "spot", operator: "Exists" }],
      affinity: { nodeAffinity: {} },
      imagePullSecrets: ["registry"],
    }),
    V134,
  );
  expect(job.metadata?.labels).toMatchObject({ "kueue.x-k8s.io/queue-name": "photos" });
  expect(job.spec).not.toHaveProperty("suspend"); // Kueue does that
  expect(job.spec).toMatchObject({
    maxFailedIndexes: 4,
    template: {
      spec: {
        ...{
          runtimeClassName: "nvidia",
          priorityClassName: "low",
          serviceAccountName: "s",
          nodeSelector: { pool: "gpu" },
        },
        ...{ imagePullSecrets: [{ name: "registry" }], affinity: { nodeAffinity: {} } },
      },
    },
  });
  const { gpu: _, ...without } = submissionFor();
  const plain = jobFor(without, V134).spec?.template.spec;
  expect(plain).not.toHaveProperty("tolerations");
  expect(JSON.stringify(plain)).not.toContain("nvidia");
});

test("the same submission has the same digest, another one another", () => {
  const digest = (changes: Parameters<typeof submissionFor>[0]) =>
    jobFor(submissionFor(changes), V134).metadata?.annotations?.[SPEC_ANNOTATION];
  expect(digest({})).toMatch(/^[0-9a-f]{64}$/);
  expect(digest({ environment: { A: "1", B: "2" } })).not.toBe(digest({}));
  expect(digest({ nodeSelector: { a: "1", b: "2" } })).toBe(digest({ nodeSelector: { b: "2", a: "1" } }));
});

test("servers that are too old are refused", () => {
  expect(() => jobFor(submissionFor(), { major: 1, minor: 28, words: "v1.28.15" })).toThrow(
    /v1\.28\.15, which is too old/,
  );
  expect(jobFor(submissionFor(), { major: 1, minor: 29, words: "v1.29.0" }).kind).toBe("Job");
});

test.each([
  { chunks: 0 },
  { chunks: 100_001 },
  { cpu: { request: "two", limit: "4" } },
  { affinity: "x" },
  { sidecar: 1 },
])("%j is no submission", (wrong) => {
  expect(submissionSchema.safeParse({ ...submissionFor(), ...wrong }).success).toBe(false);
});
