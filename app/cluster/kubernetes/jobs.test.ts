import { expect, test } from "vitest";
import { cancelJob, deleteOrphans, findJobs, renewKey, submitJob, suspendJob, untilStopped } from "./jobs.ts";
import { JOBS, PODS, SECRETS, status, submissionFor, useBench } from "./testing.ts";

const bench = useBench();
const NAME = "autochrome-01jabc-1";
const STORE = '{"kind":"folder"}';
const made = (method: string, end: string) =>
  bench.api.seen.filter((seen) => seen.method === method && seen.path.endsWith(end)).length;

test("submitting twice is submitting once; the Secret belongs to the Job", async () => {
  const cluster = await bench.connect();
  const first = await submitJob(cluster, submissionFor(), STORE);
  expect(first).toMatchObject({ name: NAME, attempt: 1, created: true, state: "queued", total: 4 });
  expect(bench.api.things.get(`${SECRETS}/${NAME}`)).toMatchObject({
    stringData: { store: STORE },
    metadata: { ownerReferences: [{ kind: "Job", name: NAME, uid: first.uid }] },
  });
  expect(bench.api.seen.find(({ path }) => path === JOBS)?.query.get("fieldValidation")).toBe("Strict");
  const second = await submitJob(cluster, submissionFor(), "new grant");
  expect(second).toEqual({ ...first, created: false });
  expect(bench.api.things.get(`${SECRETS}/${NAME}`)).toMatchObject({ stringData: { store: "new grant" } });
  expect([...bench.api.things.keys()]).toEqual([`${JOBS}/${NAME}`, `${SECRETS}/${NAME}`]);
});

test("an answer that was lost on its way does not make a second Job", async () => {
  const cluster = await bench.connect();
  let lost = 0;
  bench.api.mischief = ({ method, path, body }) => {
    if (method !== "POST" || path !== JOBS || lost++ > 0) return undefined;
    const { metadata } = body as { metadata: object };
    bench.api.things.set(`${JOBS}/${NAME}`, {
      ...(body as object),
      metadata: { ...metadata, uid: "from-the-lost-call" },
    });
    return { reset: true };
  };
  expect(await submitJob(cluster, submissionFor(), STORE)).toMatchObject({
    uid: "from-the-lost-call",
    created: false,
  });
  expect(bench.api.things.has(`${SECRETS}/${NAME}`)).toBe(true);
});

test("a crash between Job and Secret is made good by submitting again", async () => {
  const cluster = await bench.connect({ tries: 1 });
  bench.api.mischief = ({ path }) => (path === SECRETS ? { reset: true } : undefined);
  await expect(submitJob(cluster, submissionFor(), STORE)).rejects.toMatchObject({
    code: "cluster-unreachable",
  });
  bench.api.mischief = () => undefined;
  expect(await submitJob(cluster, submissionFor(), STORE)).toMatchObject({ created: false });
  expect(bench.api.things.has(`${SECRETS}/${NAME}`)).toBe(true);
});

test("a Job that goes on gets its Secret anew; one that is over, or gone, gets none", async () => {
  const cluster = await bench.connect();
  expect(await renewKey(cluster, submissionFor(), STORE)).toBe(false);
  const { uid } = await submitJob(cluster, submissionFor(), STORE);
  bench.api.things.delete(`${SECRETS}/${NAME}`);
  expect(await renewKey(cluster, submissionFor(), "new grant")).toBe(true);
  expect(bench.api.things.get(`${SECRETS}/${NAME}`)).toMatchObject({
    ...{ stringData: { store: "new grant" }, metadata: { ownerReferences: [{ uid }] } },
  });
  const job = bench.api.things.get(`${JOBS}/${NAME}`) as { metadata: object };
  const over = { status: { conditions: [{ type: "Complete", status: "True" }] } };
  bench.api.things.set(`${JOBS}/${NAME}`, { ...job, ...over });
  bench.api.things.delete(`${SECRETS}/${NAME}`);
  expect(await renewKey(cluster, submissionFor(), STORE)).toBe(false);
  expect(bench.api.things.has(`${SECRETS}/${NAME}`)).toBe(false);
});

test("pods are waited for until none of the batch runs; who may not see them is not held up", async () => {
  const cluster = await bench.connect();
  const pod = (batch: string, phase: string) => ({
    metadata: {
      name: "pod",
      labels: { "app.kubernetes.io/name": "autochrome", "autochrome.io/batch": batch },
    },
    status: { phase },
  });
  bench.api.things.set(`${PODS}/other`, pod("another", "Running"));
  bench.api.things.set(`${PODS}/done`, pod("01jabc", "Succeeded"));
  bench.api.things.set(`${PODS}/ending`, pod("01jabc", "Running"));
  let looks = 0;
  bench.api.mischief = ({ path }) => {
    if (path === PODS && ++looks === 3) bench.api.things.delete(`${PODS}/ending`);
    return undefined;
  };
  await untilStopped(cluster, "01jabc");
  expect(looks).toBe(3);
  bench.api.things.set(`${PODS}/ending`, pod("01jabc", "Running"));
  bench.api.mischief = () => status(403, "Forbidden", "no");
  await untilStopped(cluster, "01jabc");
});

test("a Secret that an earlier Job of the name left gets this Job as its owner", async () => {
  const cluster = await bench.connect();
  await submitJob(cluster, submissionFor(), STORE);
  bench.api.things.delete(`${JOBS}/${NAME}`); // somebody deleted the Job; its Secret is not collected yet
  const { uid, created } = await submitJob(cluster, submissionFor(), STORE);
  expect(created).toBe(true);
  expect(bench.api.things.get(`${SECRETS}/${NAME}`)).toMatchObject({
    metadata: { ownerReferences: [{ uid }] },
  });
});

test("something else of the same name is not taken for ours", async () => {
  const cluster = await bench.connect();
  await submitJob(cluster, submissionFor(), STORE);
  await expect(submitJob(cluster, submissionFor({ chunks: 5 }), STORE)).rejects.toMatchObject({
    ...{ code: "cluster-refused", message: expect.stringContaining("with other content") },
  });
});

test("without the right to make Secrets no Job stays behind", async () => {
  const cluster = await bench.connect();
  bench.api.mischief = ({ path }) =>
    path === SECRETS
      ? status(
          403,
          "Forbidden",
          'secrets is forbidden: User "u" cannot create resource "secrets" in API group "" in the namespace "photos"',
        )
      : undefined;
  await expect(submitJob(cluster, submissionFor(), STORE)).rejects.toMatchObject({
    ...{ code: "cluster-forbidden", message: expect.stringContaining("“create” secrets") },
  });
  expect(bench.api.things.size).toBe(0);
});

test("a server that is too old gets nothing", async () => {
  bench.api.minor = "28+";
  await expect(submitJob(await bench.connect(), submissionFor(), STORE)).rejects.toMatchObject({
    code: "cluster-refused",
  });
  expect(made("POST", "jobs")).toBe(0);
});

test("a batch's Jobs are found by attempt, also where the id is none for a label", async () => {
  const cluster = await bench.connect();
  for (const attempt of [2, 1])
    await submitJob(cluster, submissionFor({ batch: "Ünser Album", attempt }), STORE);
  await submitJob(cluster, submissionFor(), STORE);
  expect((await findJobs(cluster, "Ünser Album")).map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(await findJobs(cluster, "none")).toEqual([]);
});

test("cancelling takes the pods with it, and may be done twice", async () => {
  const cluster = await bench.connect();
  await submitJob(cluster, submissionFor(), STORE);
  expect(await cancelJob(cluster, NAME)).toBe(true);
  expect(bench.api.seen.at(-1)?.query.get("propagationPolicy")).toBe("Background");
  expect(await cancelJob(cluster, NAME)).toBe(false);
});

test("orphans go by the server's clock; those of others, new ones and those that are needed stay", async () => {
  const cluster = await bench.connect();
  const old = new Date(Date.now() - 3_600_000).toISOString();
  for (const [batch, install, time] of [
    ["old", "laptop", old],
    ["needed", "laptop", old],
    ["new", "laptop", new Date().toISOString()],
    ["theirs", "desktop", old],
  ] as const) {
    const { name } = await submitJob(cluster, submissionFor({ batch, install }), STORE);
    const job = bench.api.things.get(`${JOBS}/${name}`) as { metadata: object };
    bench.api.things.set(`${JOBS}/${name}`, {
      ...job,
      metadata: { ...job.metadata, creationTimestamp: time },
    });
  }
  const isNeeded = (batch: string) => batch === "needed";
  expect(await deleteOrphans(cluster, "laptop", { olderThanMs: 60_000, isNeeded })).toEqual([
    "autochrome-old-1",
  ]);
  // A server whose clock is a day behind: nothing is as old as this computer would think.
  bench.api.mischief = ({ method, path }) =>
    method === "GET" && path === JOBS
      ? {
          ...{ status: 200, headers: { date: new Date(Date.now() - 86_400_000).toUTCString() } },
          body: {
            items: [...bench.api.things].flatMap(([at, thing]) => (at.startsWith(JOBS) ? [thing] : [])),
          },
        }
      : undefined;
  expect(await deleteOrphans(cluster, "laptop", { olderThanMs: 60_000, isNeeded: () => false })).toEqual([]);
});

test("pausing and going on; a Job in a queue is left to Kueue", async () => {
  const cluster = await bench.connect();
  await submitJob(cluster, submissionFor(), STORE);
  await suspendJob(cluster, NAME, true);
  expect(bench.api.seen.at(-1)?.headers["content-type"]).toBe("application/merge-patch+json");
  expect((await findJobs(cluster, "01jabc"))[0]?.state).toBe("suspended");
  await suspendJob(cluster, NAME, false);
  expect((await findJobs(cluster, "01jabc"))[0]?.state).toBe("queued");
  const { name } = await submitJob(cluster, submissionFor({ batch: "q", queue: "photos" }), STORE);
  await expect(suspendJob(cluster, name, true)).rejects.toMatchObject({ code: "cluster-refused" });
});
