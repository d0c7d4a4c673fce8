import { afterEach, expect, test } from "vitest";
import type { Cluster } from "./connect.ts";
import { submitJob } from "./jobs.ts";
import { EVENTS, JOBS, PODS, status, submissionFor, useBench } from "./testing.ts";
import { followJob, type JobView, lookAtJob } from "./watch.ts";

const bench = useBench();
const NAME = "autochrome-01jabc-1";
const PATH = `${JOBS}/${NAME}`;
let views: JobView[] = [];
let controller = new AbortController();
afterEach(() => {
  controller.abort();
  views = [];
  controller = new AbortController();
});

/** Follows with short times. */
function follow(cluster: Cluster, everyMs = 20): Promise<JobView> {
  return followJob(cluster, NAME, {
    ...{ signal: controller.signal, onChange: (view) => views.push(view), gpu: "nvidia.com/gpu" },
    ...{ everyMs, leastMs: 5, longestMs: 40 },
  });
}
const start = async (cluster: Cluster) => {
  await submitJob(cluster, submissionFor(), "store");
};
const setStatus = (newStatus: object) => {
  const job = bench.api.things.get(PATH) as object;
  bench.api.things.set(PATH, { ...job, status: newStatus });
};
const ENDED = { completedIndexes: "0-3", conditions: [{ type: "Complete", status: "True" }] };
const seenView = (like: object) =>
  expect.poll(() => views, { timeout: 10_000 }).toContainEqual(expect.objectContaining(like));

test("a Job from its queue to its end", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  const followed = follow(cluster);
  await seenView({ state: "queued", total: 4, reachable: true });
  setStatus({ active: 2, ready: 2, completedIndexes: "0-1" });
  await seenView({ state: "running", completed: [0, 1], active: 2 });
  setStatus(ENDED);
  expect(await followed).toMatchObject({ state: "complete", completed: [0, 1, 2, 3], words: [] });
});

test("a change that a watch tells of is looked at without waiting for the next question", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  const followed = follow(cluster, 3_600_000);
  await expect.poll(() => bench.api.seen.filter(({ query }) => query.get("watch") === "true").length).toBe(1);
  await seenView({ state: "queued" });
  setStatus(ENDED);
  const ring = setInterval(() => bench.api.announce({ type: "MODIFIED", object: {} }), 20);
  try {
    expect((await followed).state).toBe("complete");
  } finally {
    clearInterval(ring);
  }
});

test.each([
  ["cut at once, each time", () => ({ reset: true }) as const],
  ["refused as too old", () => status(410, "Expired", "too old resource version: 1 (2)")],
  ["forbidden", () => status(403, "Forbidden", "no")],
])("watches that are %s change nothing about the outcome", async (_, mischief) => {
  const cluster = await bench.connect();
  await start(cluster);
  bench.api.mischief = ({ query }) => (query.get("watch") === "true" ? mischief() : undefined);
  const followed = follow(cluster);
  await seenView({ state: "queued", reachable: true });
  await expect.poll(() => cluster.calls()["watch jobs"]).toBeGreaterThan(2); // begun again and again
  setStatus(ENDED);
  expect((await followed).state).toBe("complete");
  expect(views.every(({ reachable }) => reachable)).toBe(true);
});

test.each([
  ["does not answer", { reset: true } as const, "cannot be reached"],
  ["has an error", status(500, "InternalError", "etcd"), "an error (500)"],
  [
    "does not know us any more",
    status(401, "Unauthorized", "Unauthorized"),
    "does not accept the credentials",
  ],
  [
    "forbids to look",
    status(
      403,
      "Forbidden",
      'jobs.batch "x" is forbidden: User "u" cannot get resource "jobs" in API group "batch" in the namespace "photos"',
    ),
    "the right to “get” jobs is missing",
  ],
])(
  "a cluster that %s for a while ends nothing: what was known stays, with a sentence",
  async (_, mischief, words) => {
    const cluster = await bench.connect();
    await start(cluster);
    setStatus({ active: 2, ready: 2, completedIndexes: "0" });
    const followed = follow(cluster);
    await seenView({ state: "running", reachable: true });
    bench.api.mischief = () => mischief;
    await seenView({
      state: "running",
      completed: [0],
      reachable: false,
      words: [expect.objectContaining({ message: expect.stringContaining(words) })],
    });
    bench.api.mischief = () => undefined;
    setStatus(ENDED);
    expect(await followed).toMatchObject({ state: "complete", reachable: true });
  },
);

test("a Job that somebody deleted is gone", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  const followed = follow(cluster);
  await seenView({ state: "queued" });
  bench.api.things.delete(PATH);
  expect(await followed).toMatchObject({ state: "gone", words: [{ kind: "trouble" }] });
});

test("a Job is not gone because something on the way does not find it", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  const followed = follow(cluster);
  await seenView({ state: "queued", reachable: true });
  bench.api.mischief = ({ path }) => (path === PATH ? { status: 404, body: "<html>404</html>" } : undefined);
  await seenView({ state: "queued", reachable: false });
  bench.api.mischief = () => undefined;
  setStatus(ENDED);
  expect(await followed).toMatchObject({ state: "complete" });
});

test("pods of nodes that went for good: the Job is lost, and only when nothing else of it goes on", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  const stuck = (minutesAgo: number) => ({
    metadata: {
      ...{ name: "p", labels: { "batch.kubernetes.io/job-name": NAME } },
      deletionTimestamp: new Date(Date.now() - minutesAgo * 60_000).toISOString(),
    },
    status: { phase: "Running" },
  });
  const state = async () => (await lookAtJob(cluster, NAME)).state;
  setStatus({ active: 0, completedIndexes: "0-2" });
  bench.api.things.set(`${PODS}/p`, stuck(1));
  expect(await state()).toBe("running");
  bench.api.things.set(`${PODS}/p`, stuck(10));
  expect(await follow(cluster)).toMatchObject({ state: "lost", isOver: true, words: [{ kind: "trouble" }] });
  setStatus({ active: 1, completedIndexes: "0-2" });
  expect(await state()).toBe("running");
});

test("of a Job that failed each index has its own last words", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  const reason = "FailedIndexes";
  setStatus({ failedIndexes: "1-2", conditions: [{ type: "Failed", status: "True", reason }] });
  for (const [index, code] of [
    ["1", 137],
    ["2", 1],
  ] as const)
    bench.api.things.set(`${PODS}/${index}`, {
      metadata: {
        ...{ name: index, labels: { "batch.kubernetes.io/job-name": NAME } },
        annotations: { "batch.kubernetes.io/job-completion-index": index },
      },
      status: { phase: "Failed", containerStatuses: [{ state: { terminated: { exitCode: code } } }] },
    });
  expect(await lookAtJob(cluster, NAME)).toMatchObject({
    ...{ state: "failed", isOver: true, failed: [1, 2] },
    lastWords: { 1: "A pod was killed before it was done.", 2: "A pod ended with the code 1." },
  });
});

test("following ends with its signal", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  const followed = follow(cluster);
  await seenView({ state: "queued" });
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(followed).rejects.toBe(reason);
});

test("an index's earlier pods are past when the next one runs", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  const labels = { "batch.kubernetes.io/job-name": NAME };
  const annotations = { "batch.kubernetes.io/job-completion-index": "0" };
  bench.api.things.set(`${PODS}/old`, {
    metadata: { name: "old", labels, annotations, creationTimestamp: "2026-11-24T10:00:00Z" },
    status: {
      phase: "Failed",
      containerStatuses: [{ state: { terminated: { exitCode: 137, reason: "OOMKilled" } } }],
    },
  });
  expect((await lookAtJob(cluster, NAME)).words).toMatchObject([
    { message: expect.stringContaining("ran out of memory") },
  ]);
  bench.api.things.set(`${PODS}/new`, {
    metadata: { name: "new", labels, annotations, creationTimestamp: "2026-11-24T10:01:00Z" },
    status: { phase: "Running" },
  });
  expect((await lookAtJob(cluster, NAME)).words).toEqual([]);
});

test("a Job that cannot make pods says why, from its events", async () => {
  const cluster = await bench.connect();
  await start(cluster);
  bench.api.things.set(`${EVENTS}/e`, {
    ...{
      metadata: { name: "e" },
      reason: "FailedCreate",
      type: "Warning",
      involvedObject: { kind: "Job", name: NAME },
    },
    message:
      'Error creating: pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
  });
  expect((await lookAtJob(cluster, NAME)).words).toMatchObject([
    { message: expect.stringContaining("quota q is used up") },
  ]);
  expect(bench.api.seen.at(-1)?.query.get("fieldSelector")).toBe(`involvedObject.name=${NAME}`);
});

test("a look asks three times at most, however large the batch", async () => {
  const cluster = await bench.connect();
  for (const chunks of [1, 5000]) {
    const { name } = await submitJob(cluster, submissionFor({ batch: `b${chunks}`, chunks }), "store");
    const before = bench.api.seen.length;
    await lookAtJob(cluster, name);
    expect(bench.api.seen.length - before).toBe(3);
  }
  expect(bench.api.seen.find(({ path }) => path === PODS)?.query.get("fieldSelector")).toBe(
    "status.phase!=Succeeded",
  );
});

test("a Job that Kueue holds waits in its queue; one that was paused is paused", async () => {
  const cluster = await bench.connect();
  const { name, uid } = await submitJob(cluster, submissionFor({ batch: "q", queue: "photos" }), "store");
  const suspended = (path: string) => {
    const job = bench.api.things.get(path) as { spec: object };
    bench.api.things.set(path, { ...job, spec: { ...job.spec, suspend: true } });
  };
  suspended(`${JOBS}/${name}`);
  const workloads = "/apis/kueue.x-k8s.io/v1beta1/namespaces/photos/workloads";
  bench.api.mischief = ({ path }) =>
    path === workloads
      ? {
          status: 200,
          body: {
            items: [
              {
                metadata: { name: "w" },
                status: {
                  conditions: [
                    { type: "QuotaReserved", status: "False", message: "insufficient unused quota" },
                  ],
                },
              },
            ],
          },
        }
      : undefined;
  expect(await lookAtJob(cluster, name)).toMatchObject({
    state: "queued",
    words: [{ message: "Waiting in the queue photos: insufficient unused quota." }],
  });
  expect(bench.api.seen.at(-1)?.query.get("labelSelector")).toBe(`kueue.x-k8s.io/job-uid=${uid}`);
  await start(cluster);
  suspended(PATH);
  expect(await lookAtJob(cluster, NAME)).toMatchObject({ state: "suspended", words: [{ kind: "waiting" }] });
});
