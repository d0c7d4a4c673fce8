// Messages as clusters really write them.
import { expect, test } from "vitest";
import { explainEnd, explainEvents, explainJob, explainPod, explainPods, explainQueue } from "./explain.ts";
import { eventSchema, indexesOf, jobSchema, podSchema, workloadSchema } from "./objects.ts";

const GPU = "nvidia.com/gpu";
const pod = (status: object, more: object = {}) =>
  podSchema.parse({
    metadata: { name: "p" },
    spec: { nodeName: "node-1", containers: [{ image: "example.org/a:1" }] },
    status,
    ...more,
  });
const unscheduled = (message: string) =>
  pod({
    phase: "Pending",
    conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
  });
const waitingFor = (reason: string, message: string) =>
  pod({ phase: "Pending", containerStatuses: [{ state: { waiting: { reason, message } } }] });
/** The end of a worker's log, as a node gives it: its first line cut off. */
const LOG = `e":"2026-11-24T10:00:00Z","msg":"chunk begins"}\n{"level":30,"msg":"photo over"}\n`;
const failed = (status: object) => pod({ phase: "Failed", ...status });
const ended = (exitCode: number, reason: string, message = "") => ({
  containerStatuses: [{ state: { terminated: { exitCode, reason, message } } }],
});

test.each([
  [
    "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
    "Waiting for a GPU node: 0/3 have free nvidia.com/gpu.",
  ],
  [
    // 1.36
    "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.",
    "Waiting for a GPU node: 0/2 have free nvidia.com/gpu.",
  ],
  [
    "0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 3 Insufficient nvidia.com/gpu. preemption: 0/4 nodes are available: 1 Preemption is not helpful for scheduling.",
    "Waiting for a GPU node: 0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 3 Insufficient nvidia.com/gpu.",
  ],
  [
    "0/2 nodes are available: 2 Insufficient memory. no new claims to deallocate, preemption: 0/2 nodes are available",
    "Waiting for a node with enough free memory",
  ],
  [
    "0/1 nodes are available: 1 Insufficient cpu.",
    "Waiting for a node with enough free processor time (cpu)",
  ],
  [
    "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: only}.",
    "No node takes our pods: 0/1 nodes are available: 1 node(s) had untolerated taint {gpu: only}.",
  ],
  [
    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    "No node is of the kind that the settings want",
  ],
  ["no nodes available to schedule pods", "The cluster has no nodes at the moment."],
  ["", "Waiting for a node: none was found yet."],
])("scheduling: %s", (message, words) => {
  const said = explainPod(unscheduled(message), GPU);
  expect(said).toMatchObject({
    kind: "waiting",
    message: expect.stringContaining(words),
    next: expect.stringMatching(/\.$/),
  });
  expect(said?.message).not.toContain("preemption");
});

test.each([
  [
    "ErrImagePull",
    'rpc error: code = NotFound desc = failed to pull and unpack image "example.org/a:1": example.org/a:1: not found',
    "the registry does not have it",
  ],
  [
    "ImagePullBackOff",
    'Back-off pulling image "example.org/a:1": ErrImagePull: failed to pull and unpack image "example.org/a:1": failed to resolve reference: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    "it is private, or not there",
  ],
  [
    "ErrImagePull",
    "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
    "it is private, or not there",
  ],
  [
    "ErrImagePull",
    'failed to do request: Head "https://example.org/v2/a/manifests/1": dial tcp: lookup example.org: no such host',
    "does not reach the registry",
  ],
  [
    "ErrImagePull",
    "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit",
    "too many requests",
  ],
  ["ErrImagePull", "no match for platform in manifest: not found", "this kind of processor"],
  [
    "ErrImagePull",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "does not trust the registry",
  ],
  [
    "InvalidImageName",
    'Failed to apply default image tag "A:1": couldn\'t parse image name',
    "its name is not valid",
  ],
  ["ErrImageNeverPull", 'Container image "a" is not present with pull policy of Never', "must not fetch it"],
  ["ImagePullBackOff", 'Back-off pulling image "example.org/a:1"', "cannot be pulled: ImagePullBackOff."],
])("images: %s %s", (reason, message, words) => {
  expect(explainPod(waitingFor(reason, message), GPU)).toMatchObject({
    ...{
      message: expect.stringMatching(/^The image example\.org\/a:1 cannot be pulled: /),
      next: expect.any(String),
    },
  });
  expect(explainPod(waitingFor(reason, message), GPU)?.message).toContain(words);
});

test("other reasons why a pod does not start", () => {
  expect(
    explainPod(waitingFor("CreateContainerConfigError", 'secret "autochrome-x-1" not found'), GPU)?.message,
  ).toBe("A pod is starting: it waits for the secret autochrome-x-1.");
  expect(
    explainPod(
      waitingFor(
        "RunContainerError",
        'failed to create containerd task: unable to start container process: exec: "nvidia-container-runtime-hook"',
      ),
      GPU,
    )?.next,
  ).toContain("GPU driver");
  expect(
    explainPod(
      waitingFor(
        "CreateContainerConfigError",
        `secrets "autochrome-x-1" is forbidden: User "system:node:node-0" cannot get resource "secrets" in API group "" in the namespace "n": no relationship found between node 'node-0' and this object`,
      ),
      GPU,
    )?.message,
  ).toBe("A pod is starting: it waits for the secret autochrome-x-1.");
  expect(explainPod(waitingFor("ContainerCreating", ""), GPU)).toBeUndefined();
});

test.each([
  [failed(ended(137, "OOMKilled")), "ran out of memory"],
  [
    failed({
      reason: "Evicted",
      message: "The node was low on resource: ephemeral-storage. Threshold quantity: 1, available: 0. ",
    }),
    "was evicted: The node was low on resource: ephemeral-storage.",
  ],
  [
    failed({
      reason: "DeadlineExceeded",
      message: "Pod was active on the node longer than the specified deadline",
    }),
    "longer than is allowed",
  ],
  [
    failed({
      reason: "UnexpectedAdmissionError",
      message:
        "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected",
    }),
    "did not take a pod: Allocate failed",
  ],
  [failed(ended(42, "Error")), "cannot be worked on"],
  [
    failed(ended(43, "Error", "starting\nNo CUDA device is here.")),
    "cannot work as they are set up: No CUDA device is here.",
  ],
  [failed(ended(1, "Error", "boom")), "A pod ended with the code 1: boom."],
  [failed(ended(137, "Error", LOG)), "A pod was killed before it was done."],
  [failed(ended(143, "Error", LOG)), "A pod was stopped before it was done."],
  [failed(ended(1, "Error", LOG)), "A pod ended with the code 1."],
  [
    failed(ended(43, "Error", `${LOG}No CUDA device is here.\n`)),
    "as they are set up: No CUDA device is here.",
  ],
])("pods that failed: %#", (one, words) => {
  expect(explainPod(one, GPU)?.message).toContain(words);
});

test.each([
  ["PreemptionByScheduler", "Preempted in order to admit critical pod", "work of higher priority"],
  ["EvictionByEvictionAPI", "Eviction API: evicting", "was evicted on node-1"],
  ["DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", "The node node-1 went away"],
  ["DeletionByPodGC", "PodGC: node no longer exists", "The node node-1 is gone."],
  [
    "TerminationByKubelet",
    "Pod was terminated in response to imminent node shutdown.",
    "Pod was terminated in response to imminent node shutdown.",
  ],
])("disruptions do not count: %s", (reason, message, words) => {
  const one = failed({
    ...ended(143, "Error"),
    conditions: [{ type: "DisruptionTarget", status: "True", reason, message }],
  });
  expect(explainPod(one, GPU)).toMatchObject({
    kind: "waiting",
    message: expect.stringContaining(words),
    next: expect.stringContaining("does not count"),
  });
});

test("pods with the same trouble are told of once; those without are not told of", () => {
  const gpus = unscheduled("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.");
  const fine = pod({ phase: "Running", conditions: [{ type: "Ready", status: "True" }] });
  expect(explainPods([gpus, fine, gpus, gpus], GPU).map(({ message }) => message)).toEqual([
    "Waiting for a GPU node: 0/3 have free nvidia.com/gpu (3 pods).",
  ]);
  expect(explainPods([fine], GPU)).toEqual([]);
});

test("a node that does not answer", () => {
  const one = pod({
    phase: "Running",
    conditions: [{ type: "Ready", status: "Unknown", reason: "NodeStatusNeverUpdated" }],
  });
  expect(explainPod(one, GPU)?.message).toBe("The node node-1 does not answer.");
});

const event = (reason: string, message: string, type = "Warning", lastTimestamp = "2026-11-24T10:00:00Z") =>
  eventSchema.parse({ reason, message, type, lastTimestamp });

test.each([
  [
    'Error creating: pods "autochrome-x-1-0-abcde" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=2, limited: requests.nvidia.com/gpu=2',
    "The namespace's quota gpus is used up (asked for requests.nvidia.com/gpu=1, used requests.nvidia.com/gpu=2, limit requests.nvidia.com/gpu=2).",
  ],
  [
    'Error creating: pods "x" is forbidden: failed quota: compute: must specify limits.cpu for: worker',
    "quota compute wants that pods say limits.cpu for: worker.",
  ],
  [
    'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)',
    "does not allow our pods (pod security restricted:latest): runAsNonRoot != true",
  ],
  [
    'Error creating: pods "x" is forbidden: maximum memory usage per Container is 4Gi, but limit is 8Gi',
    "limits do not allow such pods: maximum memory usage per Container is 4Gi, but limit is 8Gi.",
  ],
  [
    'Error creating: pods "x" is forbidden: no PriorityClass with name gold was found',
    "does not have the priority class gold.",
  ],
  [
    'Error creating: pods "x" is forbidden: pod rejected: RuntimeClass "nvidia" not found',
    "does not have the runtime class nvidia.",
  ],
  [
    'Error creating: pods "x" is forbidden: error looking up service account photos/worker: serviceaccount "worker" not found',
    "does not have the service account worker.",
  ],
  [
    'Error creating: admission webhook "validate.kyverno.svc-fail" denied the request: images must come from example.com',
    "(validate.kyverno.svc-fail) does not allow this: images must come from example.com.",
  ],
  [
    'Error creating: Post "https://10.0.0.1:6443/api/v1/namespaces/n/pods": dial tcp 10.0.0.1:6443: connect: connection refused',
    "cannot make pods just now",
  ],
  [
    'Error creating: pods is forbidden: User "system:serviceaccount:kube-system:job-controller" cannot create resource "pods" in API group "" in the namespace "n"',
    "cannot make pods just now",
  ],
])("a Job that cannot make pods: %s", (message, words) => {
  expect(explainEvents([event("FailedCreate", message)])[0]?.message).toContain(words);
});

test("events: newest first, each once, what is of no interest left out", () => {
  const words = explainEvents([
    event("Pulling", "Pulling image", "Normal"),
    event(
      "TriggeredScaleUp",
      "pod triggered scale-up: [{pool 0->1 (max: 4)}]",
      "Normal",
      "2026-11-24T10:00:00Z",
    ),
    event("FailedMount", "MountVolume.SetUp failed for volume", "Warning", "2026-11-24T11:00:00Z"),
    event("FailedMount", "MountVolume.SetUp failed for volume", "Warning", "2026-11-24T12:00:00Z"),
  ]);
  expect(words.map(({ message }) => message)).toEqual([
    "The pod's folders are not ready: MountVolume.SetUp failed for volume.",
    "The cluster is adding a node.",
  ]);
});

test("events: why no pod could be made is past once one was made", () => {
  const quota =
    'Error creating: pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0';
  const refused = event("FailedCreate", quota, "Warning", "2026-11-24T10:00:00Z");
  const made = (time: string) => event("SuccessfulCreate", "Created pod: x", "Normal", time);
  expect(explainEvents([refused, made("2026-11-24T10:00:00Z")])).toEqual([]);
  expect(explainEvents([refused, made("2026-11-24T09:00:00Z")])).toHaveLength(1);
});

test("what a queue says", () => {
  const workload = (message: string) => [
    workloadSchema.parse({
      metadata: { name: "w" },
      status: { conditions: [{ type: "QuotaReserved", status: "False", reason: "Pending", message }] },
    }),
  ];
  expect(
    explainQueue(
      "photos",
      workload(
        "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor t4, 1 more needed",
      ),
    ),
  ).toMatchObject({
    ...{
      kind: "waiting",
      message:
        "Waiting in the queue photos: couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor t4, 1 more needed.",
    },
  });
  expect(explainQueue("photos", workload("LocalQueue photos doesn't exist"))).toMatchObject({
    kind: "trouble",
  });
  expect(explainQueue("photos", []).message).toBe("Waiting in the queue photos.");
});

test.each([
  ["BackoffLimitExceeded", "Job has reached the specified backoff limit", "2 of 4 parts"],
  ["FailedIndexes", "Job has failed indexes", "2 of 4 parts of the batch failed on the cluster; the others"],
  ["DeadlineExceeded", "Job was active longer than specified deadline", "longer on the cluster"],
  [
    "PodFailurePolicy",
    "Container worker for pod n/p failed with exit code 43 matching FailJob rule at index 1",
    "cannot work as they are set up",
  ],
  [
    "MaxFailedIndexesExceeded",
    "Job has exceeded the specified maximal number of failed indexes",
    "Too many parts",
  ],
  ["SomethingNew", "who knows", "ended the batch: who knows."],
])("a Job that failed: %s", (reason, message, words) => {
  const job = jobSchema.parse({
    ...{ metadata: { name: "j" }, spec: { completions: 4 } },
    status: { failedIndexes: "1,3", conditions: [{ type: "Failed", status: "True", reason, message }] },
  });
  expect(explainJob(job)[0]?.message).toContain(words);
});

test("a Job that was ended for its set-up: the pod that is to blame speaks, not those that were stopped with it", () => {
  const job = (reason: string) =>
    jobSchema.parse({
      ...{ metadata: { name: "j" }, spec: { completions: 2 } },
      status: { failedIndexes: "1", conditions: [{ type: "Failed", status: "True", reason }] },
    });
  const pods = [
    failed(ended(143, "Error", LOG)),
    failed(ended(43, "Error", `${LOG}No GPU is here. Add one.`)),
  ];
  const said = (reason: string) => explainEnd(job(reason), pods, GPU).map(({ message }) => message);
  expect(said("PodFailurePolicy")).toEqual([
    "The pods cannot work as they are set up: No GPU is here. Add one.",
  ]);
  expect(said("FailedIndexes")).toEqual([
    "1 of 2 parts of the batch failed on the cluster; the others are done.",
    "A pod was stopped before it was done.",
    "The pods cannot work as they are set up: No GPU is here. Add one.",
  ]);
});

test("indexes as Jobs write them", () => {
  expect(indexesOf("1,3-5,7")).toEqual([1, 3, 4, 5, 7]);
  expect(indexesOf("")).toEqual([]);
});
