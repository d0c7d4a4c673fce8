// What the cluster says, in words for people, with what to do about it.
//
// Owns: the reading of conditions, states and events. Pure functions of what they are given.
// Must never: ask the cluster, or decide whether a batch has failed: these are hints.
import { WORKER_EXIT } from "./job-spec.ts";
import {
  type Condition,
  type EventObject,
  indexesOf,
  type JobObject,
  type PodObject,
  type WorkloadObject,
} from "./objects.ts";
import { end, explainRefusal, trouble, type Words, waiting } from "./refusals.ts";

/** Pods that are not done, each trouble once with how many have it. */
export function explainPods(pods: readonly PodObject[], gpu: string | undefined): Words[] {
  const groups = new Map<string, { words: Words; pods: number }>();
  for (const pod of pods) {
    const words = explainPod(pod, gpu);
    if (words === undefined) continue;
    const group = groups.get(words.message);
    if (group === undefined) groups.set(words.message, { words, pods: 1 });
    else group.pods++;
  }
  return [...groups.values()].map(({ words, pods }) =>
    pods === 1 ? words : { ...words, message: `${words.message.replace(/\.$/, "")} (${pods} pods).` },
  );
}

/** undefined: all is well with it. @param gpu name of the resource that GPUs are asked for by */
export function explainPod(
  { status, spec, metadata }: PodObject,
  gpu: string | undefined,
): Words | undefined {
  const condition = (type: string) => status.conditions.find((one) => one.type === type);
  const disruption = condition("DisruptionTarget");
  if (disruption?.status === "True") return explainDisruption(disruption, spec.nodeName);
  if (status.phase === "Failed") return explainFailedPod(status, spec.nodeName);
  if (metadata.deletionTimestamp !== undefined) return undefined;
  const scheduled = condition("PodScheduled");
  if (scheduled?.status === "False") return explainScheduling(scheduled.message, gpu);
  for (const { state, image } of status.containerStatuses)
    if (state.waiting !== undefined) {
      const words = explainWaiting(
        state.waiting.reason,
        state.waiting.message,
        image || spec.containers[0]?.image || "",
      );
      if (words !== undefined) return words;
    }
  const ready = condition("Ready");
  if (
    status.phase === "Running" &&
    ready?.status !== "True" &&
    /Node|Unknown/.test(`${ready?.reason} ${ready?.status}`)
  )
    return waiting(
      `The node ${spec.nodeName ?? ""} does not answer.`,
      "Wait: its work is done on another node if it does not come back.",
    );
  return undefined;
}

function explainScheduling(message: string, gpu: string | undefined): Words {
  // What the scheduler would have to throw out is of no interest: "0/3 … . preemption: 0/3 …".
  const said = message.replace(/\.?\s*(?:[a-z ]+, )?preemption:.*$/s, "").replace(/\.\s*$/, "");
  const wait = "Wait: a node may become free, or the cluster adds one.";
  if (gpu !== undefined && message.includes(`Insufficient ${gpu}`))
    return waiting(
      `Waiting for a GPU node: ${nodesWith(said, gpu) ?? said}.`,
      `${wait} If it lasts, check that the cluster has nodes with ${gpu}, or let fewer pods run at once.`,
    );
  const lacking = /Insufficient ([\w./-]*\w)/.exec(message)?.[1];
  if (lacking !== undefined)
    return waiting(
      `Waiting for a node with enough free ${RESOURCES[lacking] ?? lacking}: ${said}.`,
      `${wait} If it lasts, ask for less ${RESOURCES[lacking] ?? lacking} per pod.`,
    );
  if (/untolerated taint/.test(message))
    return waiting(
      `No node takes our pods: ${said}.`,
      "Add a toleration for the taint to the settings, or let the cluster add a node.",
    );
  if (/node affinity|node selector/i.test(message))
    return waiting(
      `No node is of the kind that the settings want: ${said}.`,
      "Check the node selector in the settings.",
    );
  if (/no nodes available/.test(message))
    return waiting("The cluster has no nodes at the moment.", "Wait: it may add one.");
  return waiting(`Waiting for a node: ${said === "" ? "none was found yet" : said}.`, wait);
}

const RESOURCES: Readonly<Record<string, string>> = {
  cpu: "processor time (cpu)",
  memory: "memory",
  "ephemeral-storage": "disk space (ephemeral-storage)",
  pods: "room for pods",
};

/** "0/3 have free nvidia.com/gpu", where nothing else is the matter. */
function nodesWith(said: string, gpu: string): string | undefined {
  const [, all, lacking] = /^0\/(\d+) nodes are available: (\d+) Insufficient [\w./-]+$/.exec(said) ?? [];
  return all !== undefined && all === lacking ? `0/${all} have free ${gpu}` : undefined;
}

function explainWaiting(reason: string, message: string, image: string): Words | undefined {
  switch (reason) {
    case "ErrImagePull":
    case "ImagePullBackOff":
    case "ErrImageNeverPull":
    case "InvalidImageName":
    case "ImageInspectError":
    case "RegistryUnavailable":
      return explainPull(reason, message, image);
    case "CreateContainerConfigError": {
      // A node that does not know yet that the pod is its own may not read what belongs to it.
      const missing =
        /(secret|configmap)s? "([^"]+)" (?:not found|is forbidden: .*no relationship found)/.exec(message);
      return missing === null
        ? trouble(
            `The pod cannot be made: ${end(message || reason)}`,
            "Look at the pod with kubectl describe.",
          )
        : waiting(
            `A pod is starting: it waits for the ${missing[1]} ${missing[2]}.`,
            "It is made with the batch. If it lasts, cancel the batch and start it again.",
          );
    }
    case "CreateContainerError":
    case "RunContainerError":
    case "CreatePodSandboxError":
      return trouble(
        `The pod cannot be started: ${end(message || reason)}`,
        /nvidia|cuda|runtime/i.test(message)
          ? "Check the GPU driver of the node, and whether the setting for the runtime class is right."
          : "Look at the pod with kubectl describe.",
      );
    default:
      return undefined; // ContainerCreating, PodInitializing
  }
}

/** Why an image cannot be pulled, from what the node's words are. */
export function explainPull(reason: string, message: string, image: string): Words {
  const about = `The image ${image === "" ? "" : `${image} `}cannot be pulled`;
  const rest = message.replace(/^Back-off pulling image "[^"]*":?\s*/, "");
  if (reason === "InvalidImageName")
    return trouble(`${about}: its name is not valid.`, "Correct the image in the settings.");
  if (reason === "ErrImageNeverPull")
    return trouble(`${about}: the node does not have it and must not fetch it.`, "Load it onto the nodes.");
  if (/no match for platform|no matching manifest|exec format/i.test(rest))
    return trouble(
      `${about}: there is none for this kind of processor.`,
      "Use an image for the nodes' architecture.",
    );
  if (/toomanyrequests|too many requests|429|rate limit/i.test(rest))
    return waiting(
      `${about}: the registry has too many requests.`,
      "Wait, or add an image pull secret to the settings.",
    );
  // Registries do not tell whether something is private or not there.
  if (/unauthorized|denied|authentication required|no basic auth|forbidden|\b40[13]\b/i.test(rest))
    return trouble(
      `${about}: the registry does not give it away (it is private, or not there).`,
      "Check its name; for a private one add an image pull secret to the settings.",
    );
  if (/not found|manifest unknown|name unknown|\b404\b/i.test(rest))
    return trouble(
      `${about}: the registry does not have it.`,
      "Correct the image's name and tag in the settings.",
    );
  if (/x509|certificate/i.test(rest))
    return trouble(
      `${about}: the node does not trust the registry's certificate.`,
      "Tell who runs the cluster.",
    );
  if (/no such host|timeout|refused|unreachable|reset|EOF|dial tcp/i.test(rest))
    return waiting(
      `${about}: the node does not reach the registry.`,
      "Check the cluster's way to the registry.",
    );
  return trouble(`${about}: ${end(rest || reason)}`, "Check the image in the settings.");
}

function explainDisruption({ reason, message }: Condition, node: string | undefined): Words {
  const where = node === undefined ? "" : ` on ${node}`;
  const again = "Nothing to do: its photos are done again, and this does not count as a failure.";
  switch (reason) {
    case "PreemptionByScheduler":
      return waiting(`A pod${where} had to make room for work of higher priority.`, again);
    case "EvictionByEvictionAPI":
      return waiting(`A pod was evicted${where}; the node may be under maintenance.`, again);
    case "DeletionByTaintManager":
      return waiting(
        `The node ${node ?? ""} went away or does not take pods any more.`,
        "Wait: its photos are done again when it is back or was removed from the cluster. This does not count as a failure.",
      );
    case "DeletionByPodGC":
      return waiting(`The node ${node ?? ""} is gone.`, again);
    case "TerminationByKubelet":
      return waiting(
        `The node ${node ?? ""} ended a pod: ${end(message || "it shuts down or lacks something")}`,
        again,
      );
    default:
      return waiting(`A pod was taken away${where}: ${end(message || reason)}`, again);
  }
}

function explainFailedPod(status: PodObject["status"], node: string | undefined): Words | undefined {
  const { reason, message } = status;
  const ended = status.containerStatuses.find(({ state }) => state.terminated !== undefined)?.state
    .terminated;
  if (ended?.reason === "OOMKilled")
    return trouble(
      "A pod ran out of memory.",
      "Its photos are tried again, one at a time. If it happens again, raise the memory limit in the settings.",
    );
  switch (reason) {
    case "Evicted":
      return trouble(
        `A pod was evicted: ${end(message || "its node lacked something")}`,
        "Its photos are tried again. If it happens again, use nodes with more room, or a larger limit for temporary files.",
      );
    case "DeadlineExceeded":
      return trouble(
        "A pod took longer than is allowed for one part of the batch.",
        "Its photos are tried again; finished ones are not. Make the parts smaller or the time longer.",
      );
    case "NodeLost":
    case "NodeShutdown":
    case "Terminated":
      return waiting(`The node ${node ?? ""} went away.`, "Nothing to do: its photos are done again.");
    case "UnexpectedAdmissionError":
    case "OutOfcpu":
    case "OutOfmemory":
    case "OutOfpods":
    case "NodeAffinity":
      return trouble(
        `The node ${node ?? ""} did not take a pod: ${end(message || reason)}`,
        "Its photos are tried again.",
      );
  }
  if (ended === undefined)
    return message === ""
      ? undefined
      : trouble(`A pod failed: ${end(message)}`, "Its photos are tried again.");
  if (ended.exitCode === WORKER_EXIT.badInput)
    return trouble("A part of the batch cannot be worked on.", "Its photos say why; the others go on.");
  if (ended.exitCode === WORKER_EXIT.setUp)
    return trouble(
      `The pods cannot work as they are set up${lastWords(ended.message)}`,
      "Correct that, then go on with the batch; `autochrome cluster check` and the pod's log say more.",
    );
  if (ended.exitCode === WORKER_EXIT.storage)
    return trouble(
      `A pod had trouble with the storage${lastWords(ended.message)}`,
      "If it lasts, check that pods reach the storage by the address that the settings give them. What is finished stays.",
    );
  if (ended.exitCode === 137)
    return trouble(
      "A pod was killed before it was done.",
      "Its photos are tried again. If it happens again, give pods more memory: their node may have run out of it.",
    );
  if (ended.exitCode === WORKER_EXIT.stopped)
    return trouble("A pod was stopped before it was done.", "Its photos are tried again.");
  return trouble(
    `A pod ended with the code ${ended.exitCode}${lastWords(ended.message)}`,
    "Its photos are tried again; its log says more.",
  );
}

/** Why a Job failed: what it says itself, and what its pods said last. @param pods of each index the last one */
export function explainEnd(job: JobObject, pods: readonly PodObject[], gpu: string | undefined): Words[] {
  const isPolicy = job.status.conditions.some(
    ({ type, reason }) => type === "Failed" && reason === "PodFailurePolicy",
  );
  // The others were only stopped with it.
  const blamed = isPolicy ? pods.find((pod) => exitCodeOf(pod) === WORKER_EXIT.setUp) : undefined;
  if (blamed !== undefined) return explainPods([blamed], gpu);
  return [...explainJob(job), ...explainPods(pods, gpu).slice(0, 2)];
}

/** Of a pod's container, where it has ended. */
export function exitCodeOf({ status }: PodObject): number | undefined {
  return status.containerStatuses.flatMap(({ state }) => state.terminated?.exitCode ?? [])[0];
}

/** What a Job's own conditions say; a Job that goes on has nothing to say. */
export function explainJob({ status, spec }: JobObject): Words[] {
  const failed = status.conditions.find(({ type, status: is }) => type === "Failed" && is === "True");
  if (failed === undefined) return [];
  switch (failed.reason) {
    case "DeadlineExceeded":
      return [
        trouble(
          "The batch took longer on the cluster than is allowed.",
          "Start it again: what is finished stays. The longest time is a setting.",
        ),
      ];
    case "PodFailurePolicy":
      return [
        trouble(
          "The cluster's pods cannot work as they are set up, so the batch was ended there.",
          "Run `autochrome cluster check`, and look at the pods' logs.",
        ),
      ];
    case "MaxFailedIndexesExceeded":
      return [
        trouble(
          "Too many parts of the batch failed, so the rest was given up.",
          "Look at why photos failed, then start it again.",
        ),
      ];
    case "FailedIndexes":
    case "BackoffLimitExceeded": {
      const parts = indexesOf(status.failedIndexes).length;
      return [
        trouble(
          `${parts === 0 ? "Some" : `${parts} of ${spec.completions}`} parts of the batch failed on the cluster; the others are done.`,
          "Retry the photos that failed.",
        ),
      ];
    }
    default:
      return [
        trouble(
          `The cluster ended the batch: ${end(failed.message || failed.reason)}`,
          "Start it again: what is finished stays.",
        ),
      ];
  }
}

/** Events of a Job without pods, or of a pod that does not start; newest words first, each once. */
export function explainEvents(events: readonly EventObject[]): Words[] {
  const words = new Map<string, Words>();
  const time = (event: EventObject) => event.lastTimestamp ?? event.eventTime ?? "";
  // What kept pods from being made is past once one was made.
  const made = events.flatMap((event) => (event.reason === "SuccessfulCreate" ? time(event) : [])).sort();
  const since = made.at(-1);
  const current = events.filter((event) => since === undefined || time(event) > since);
  for (const { reason, message, type } of current.sort((one, other) => (time(one) < time(other) ? 1 : -1))) {
    let said: Words | undefined;
    if (reason === "FailedCreate") said = explainRefusal(message.replace(/^Error creating: /, ""));
    else if (reason === "FailedMount" || reason === "FailedAttachVolume")
      said = trouble(
        `The pod's folders are not ready: ${end(message)}`,
        "Wait; if it lasts, tell who runs the cluster.",
      );
    else if (reason === "FailedCreatePodSandBox")
      said = trouble(
        `The node cannot start the pod: ${end(message)}`,
        "Tell who runs the cluster; a runtime class may be wrong.",
      );
    else if (reason === "TriggeredScaleUp")
      said = waiting("The cluster is adding a node.", "Wait: that takes some minutes.");
    else if (reason === "NotTriggerScaleUp")
      said = waiting(
        `The cluster does not add a node: ${end(message)}`,
        "Wait for a free node, or raise the largest size of the node pool.",
      );
    else if (type === "Warning" && reason === "Failed" && /failed to pull/i.test(message))
      said = explainPull(reason, message, /image "([^"]+)"/.exec(message)?.[1] ?? "");
    if (said !== undefined && !words.has(said.message)) words.set(said.message, said);
  }
  return [...words.values()];
}

/** Why Kueue lets a Job wait. */
export function explainQueue(queue: string, workloads: readonly WorkloadObject[]): Words {
  const conditions = workloads[0]?.status.conditions ?? [];
  const of = (type: string) => conditions.find((one) => one.type === type);
  const evicted = of("Evicted");
  const reserved = of("QuotaReserved");
  const said =
    reserved?.status === "False" && reserved.message !== ""
      ? reserved.message
      : evicted?.status === "True"
        ? evicted.message
        : "";
  if (/doesn't exist|not found|inactive/i.test(said))
    return trouble(
      `The queue ${queue} does not take work: ${end(said)}`,
      "Correct the queue in the settings.",
    );
  return waiting(
    `Waiting in the queue ${queue}${said === "" ? "" : `: ${said.replace(/\.$/, "")}`}.`,
    "Nothing to do: Kueue starts it when there is room.",
  );
}

/** The end of a sentence: what a pod wrote last for people. The lines of its log are for programs. */
function lastWords(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const last = lines.findLast((line) => line !== "" && !/^\{|\}$/.test(line)); // the first one may be cut off
  return last === undefined ? "." : `: ${end(last)}`;
}
