import { expect, test } from "vitest";
import { checkCluster } from "./check.ts";
import type { Finding } from "./findings.ts";
import { rightsFor } from "./rights.ts";
import { EVENTS, JOBS, status, useBench } from "./testing.ts";

const bench = useBench();
const ALL = {
  image: "example.org/a:1",
  gpu: "nvidia.com/gpu",
  storage: { ok: true, message: "The folder works.", next: "" },
};
const node = (name: string, gpus: string, product: string) =>
  bench.api.things.set(`/api/v1/nodes/${name}`, {
    metadata: { name, labels: { "nvidia.com/gpu.product": product } },
    status: { allocatable: { "nvidia.com/gpu": gpus } },
  });
const namespace = (labels: object = {}) =>
  bench.api.things.set("/api/v1/namespaces/photos", { metadata: { name: "photos", labels } });
const about = (findings: readonly Finding[], name: string) => findings.filter((one) => one.about === name);

test("a cluster that has everything", async () => {
  namespace({ "pod-security.kubernetes.io/enforce": "restricted" });
  node("one", "4", "Tesla-T4");
  node("two", "2", "Tesla-T4");
  node("three", "1", "NVIDIA-A10G");
  const findings = await checkCluster(await bench.connect(), ALL);
  expect(findings.filter(({ ok }) => !ok)).toEqual([]);
  expect(about(findings, "version")[0]?.found).toBe("Kubernetes v1.34.0 (needs 1.29 or newer)");
  expect(about(findings, "GPUs")[0]?.found).toBe("nvidia.com/gpu: 6 × Tesla-T4, 1 × NVIDIA-A10G");
  expect(about(findings, "pod security")[0]?.found).toContain("“restricted”");
  expect(about(findings, "trial Job")).toEqual([
    { about: "trial Job", ok: true, found: "the server would take it" },
  ]);
  expect(findings.map((one) => one.about)).toEqual(
    expect.arrayContaining(["cluster", "namespace", "Kueue", "quota", "image", "storage"]),
  );
  // Nothing was made.
  expect([...bench.api.things.keys()].filter((path) => path.startsWith(JOBS))).toEqual([]);
  expect(bench.api.seen.find(({ path }) => path === JOBS)?.query.get("dryRun")).toBe("All");
});

test("half the rights missing: every one is named, and no other", async () => {
  namespace();
  const rights = rightsFor({ queue: "q", proxied: "autochrome:8188" });
  const name = ({ verb, resource }: (typeof rights)[number]) => `${verb} ${resource}`;
  const missing = rights.filter((_, index) => index % 2 === 0).map(name);
  for (const right of missing) bench.api.denied.add(right);
  const findings = await checkCluster(await bench.connect(), {
    ...ALL,
    queue: "q",
    proxied: "autochrome:8188",
  });
  const of = (ok: boolean) =>
    findings.flatMap((one) =>
      one.about.startsWith("right to ") && one.ok === ok ? [one.about.slice(9)] : [],
    );
  expect(of(false)).toEqual(missing);
  expect(of(true)).toEqual(rights.map(name).filter((right) => !missing.includes(right)));
  for (const one of findings) if (!one.ok) expect(one.next).toMatch(/\.$/);
});

test("what may not be looked at is said, and is no fault", async () => {
  bench.api.mischief = ({ path }) =>
    /nodes$|namespaces\/photos$|resourcequotas$/.test(path) ? status(403, "Forbidden", "no") : undefined;
  const findings = await checkCluster(await bench.connect(), ALL);
  for (const name of ["GPUs", "namespace", "quota", "pod security"])
    expect(about(findings, name)).toEqual([
      expect.objectContaining({ ok: true, found: expect.stringContaining("without") }),
    ]);
});

test("what is missing is told of with what to do", async () => {
  bench.api.things.set("/api/v1/namespaces/photos/resourcequotas/small", {
    metadata: { name: "small" },
    status: {
      hard: { "requests.cpu": "4", "requests.memory": "8Gi" },
      used: { "requests.cpu": "4000m", "requests.memory": "1Gi" },
    },
  });
  bench.api.things.set(`${EVENTS}/e`, {
    metadata: { name: "e" },
    ...{ reason: "Failed", type: "Warning", lastTimestamp: "2026-11-24T10:00:00Z" },
    message: 'Failed to pull image "example.org/a:1": rpc error: code = NotFound desc = not found',
  });
  bench.api.mischief = ({ path, query }) => {
    if (path === JOBS && query.get("dryRun") === "All")
      return status(404, "NotFound", 'namespaces "photos" not found');
    if (path === EVENTS && query.get("fieldSelector") === "reason=Pulled")
      return { status: 200, body: { items: [] } };
    return undefined;
  };
  const findings = await checkCluster(await bench.connect(), {
    ...{ ...ALL, queue: "q", storage: { ok: false, message: "The bucket is not there.", next: "Make it." } },
  });
  expect(findings.filter(({ ok }) => !ok).map((one) => [one.about, one.found])).toEqual([
    ["namespace", "photos is not there"],
    ["trial Job", "The namespace photos is not there."],
    ["GPUs", "none of 0 nodes offers nvidia.com/gpu"],
    ["Kueue", "not installed, but the setting clusterQueue names the queue q"],
    ["quota", "small is used up: requests.cpu 4000m of 4"],
    [
      "image",
      "The image example.org/a:1 cannot be pulled: the registry does not have it. (2026-11-24T10:00:00Z)",
    ],
    ["storage", "The bucket is not there."],
  ]);
});

test("a server that is too old, or warns, is told of", async () => {
  namespace();
  bench.api.minor = "27";
  const old = await checkCluster(await bench.connect(), ALL);
  expect(about(old, "version")[0]).toMatchObject({ ok: false, found: expect.stringContaining("too old") });
  bench.api.minor = "34";
  bench.api.mischief = ({ path }) =>
    path === JOBS
      ? { status: 201, body: {}, headers: { warning: '299 - "would violate PodSecurity"' } }
      : undefined;
  expect(about(await checkCluster(await bench.connect(), ALL), "trial Job")[0]).toMatchObject({
    ok: false,
    found: expect.stringContaining("would violate PodSecurity"),
  });
});

test("a cluster that cannot be reached: one finding for it, and the storage all the same", async () => {
  const cluster = await bench.connect({ tries: 1 });
  bench.api.mischief = () => ({ reset: true });
  expect(await checkCluster(cluster, ALL)).toEqual([
    {
      about: "cluster",
      ok: false,
      found: expect.stringContaining("cannot be reached"),
      next: expect.any(String),
    },
    { about: "storage", ok: true, found: "The folder works." },
  ]);
});
