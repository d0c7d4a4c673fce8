import { expect, test } from "vitest";
import { readPodLogs } from "./logs.ts";
import { PODS, status, useBench } from "./testing.ts";

const bench = useBench();
const SOME = { lines: 50, most: 10 };

/** A pod of the batch "01jabc", and what its log answers. */
function pod(name: string, index: number, phase: string, log?: string, changes: object = {}): void {
  bench.api.things.set(`${PODS}/${name}`, {
    metadata: {
      name,
      labels: {
        ...{ "app.kubernetes.io/name": "autochrome", "autochrome.io/batch": "01jabc" },
        "autochrome.io/attempt": "1",
      },
      annotations: { "batch.kubernetes.io/job-completion-index": String(index) },
      creationTimestamp: `2026-11-24T10:00:0${index}Z`,
    },
    spec: { nodeName: "node-0", containers: [{ image: "example.org/autochrome:1" }] },
    status: { phase, ...changes },
  });
  if (log !== undefined) bench.api.things.set(`${PODS}/${name}/log`, log);
}

test("lines have the worker's own time, words and facts; words of another form have the node's time", async () => {
  const cluster = await bench.connect();
  pod(
    "one",
    0,
    "Running",
    [
      '2026-11-24T10:00:01.5Z {"level":30,"time":"2026-11-24T10:00:01.000Z","batch":"01jabc","photos":3,"msg":"chunk begins"}',
      "2026-11-24T10:00:02.25+01:00 Killed",
      '2026-11-24T10:00:03Z {"no":"message"}',
      "2026-11-24T10:00:04Z ",
      "cut off in the mid",
    ].join("\n"),
  );
  const { logs, more } = await readPodLogs(cluster, "01jabc", SOME);
  expect(more).toBe(false);
  expect(logs).toEqual([
    {
      ...{ pod: "one", attempt: 1, index: 0, phase: "Running", node: "node-0", words: undefined },
      lines: [
        {
          time: "2026-11-24T10:00:01.000Z",
          message: "chunk begins",
          facts: { level: 30, batch: "01jabc", photos: 3 },
        },
        { time: "2026-11-24T10:00:02.25+01:00", message: "Killed", facts: {} },
        { time: "2026-11-24T10:00:03Z", message: '{"no":"message"}', facts: {} },
      ],
    },
  ]);
  const asked = bench.api.seen.find(({ path }) => path.endsWith("/log"))?.query;
  expect(asked?.get("tailLines")).toBe("50");
  expect(Number(asked?.get("limitBytes"))).toBeGreaterThan(0);
});

test("pods that failed come before those that run, and those before finished ones; shown in the order of parts", async () => {
  const cluster = await bench.connect();
  pod("done-0", 0, "Succeeded", "");
  pod("done-1", 1, "Succeeded", "");
  pod("runs-2", 2, "Running", "");
  pod("failed-3", 3, "Failed", "");
  const names = async (most: number) => {
    const { logs, more } = await readPodLogs(cluster, "01jabc", { lines: 5, most });
    return [...logs.map((log) => log.pod), ...(more ? ["…"] : [])];
  };
  expect(await names(1)).toEqual(["failed-3", "…"]);
  expect(await names(2)).toEqual(["runs-2", "failed-3", "…"]);
  expect(await names(3)).toEqual(["done-1", "runs-2", "failed-3", "…"]);
  expect(await names(4)).toEqual(["done-0", "done-1", "runs-2", "failed-3"]);
});

test("one pod alone; none where it is not there, and none of another batch", async () => {
  const cluster = await bench.connect();
  pod("one", 0, "Running", "2026-11-24T10:00:01Z here");
  pod("two", 1, "Running", "2026-11-24T10:00:01Z there");
  const named = async (name: string, batch = "01jabc") =>
    (await readPodLogs(cluster, batch, { ...SOME, pod: name })).logs.flatMap(({ lines }) =>
      lines.map(({ message }) => message),
    );
  expect(await named("two")).toEqual(["there"]);
  expect(await named("three")).toEqual([]);
  expect(await named("two", "other")).toEqual([]);
});

test("a pod that has not begun, one that is gone and one on a node that is away say so; the others are read", async () => {
  const cluster = await bench.connect({ backoffMs: 1 });
  const waiting = {
    containerStatuses: [{ state: { waiting: { reason: "ErrImagePull", message: "not found" } } }],
  };
  pod("waits", 0, "Pending", undefined, waiting);
  pod("starts", 1, "Pending");
  pod("vanished", 2, "Running");
  pod("away", 3, "Running");
  pod("fine", 4, "Running", "2026-11-24T10:00:01Z fine");
  bench.api.mischief = ({ path }) => {
    if (/(waits|starts)\/log$/.test(path)) return status(400, "BadRequest", "is waiting to start");
    if (path.endsWith("away/log")) return status(500, "InternalError", "dial tcp 10.0.0.1:10250: no route");
    return undefined;
  };
  const { logs } = await readPodLogs(cluster, "01jabc", SOME);
  expect(logs.map(({ words }) => words?.message)).toEqual([
    expect.stringContaining("cannot be pulled"),
    "This pod has said nothing yet.",
    "This pod was removed just now.",
    "This pod's log cannot be read: its node does not answer.",
    undefined,
  ]);
  expect(logs.at(-1)?.lines).toMatchObject([{ message: "fine" }]);
});

test("a right that is missing is named", async () => {
  const cluster = await bench.connect();
  pod("one", 0, "Running", "");
  const forbidden = 'pods "one" is forbidden: User "me" cannot get resource "pods/log" in API group ""';
  bench.api.mischief = ({ path }) =>
    path.endsWith("/log") ? status(403, "Forbidden", forbidden) : undefined;
  await expect(readPodLogs(cluster, "01jabc", SOME)).rejects.toMatchObject({
    code: "cluster-forbidden",
    message: expect.stringContaining("“get” pods/log"),
  });
});
