// Why the cluster does not take what it is given, in words for people.
//
// Owns: the reading of refusals: rights, quotas, policies, what is not valid. Pure functions of what they are given.
// Must never: ask the cluster.
import { z } from "zod";
import { AutochromeError } from "../../kernel/index.ts";
import { type Answer, statusMessage } from "./connect.ts";

/** A sentence about how the work goes. */
export interface Words {
  /** "waiting": may pass by itself; "trouble": somebody has to do something, or work was lost and is done again. */
  readonly kind: "waiting" | "trouble";
  readonly message: string;
  readonly next: string;
}

export const waiting = (message: string, next: string): Words => ({ kind: "waiting", message, next });
export const trouble = (message: string, next: string): Words => ({ kind: "trouble", message, next });

/** A refusal of pods or Jobs by quota, policy or admission. */
export function explainRefusal(message: string): Words {
  const quota = /exceeded quota: ([^,]+), requested: (.*?), used: (.*?), limited: (.*)$/.exec(message);
  if (quota !== null)
    return waiting(
      `The namespace's quota ${quota[1]} is used up (asked for ${quota[2]}, used ${quota[3]}, limit ${quota[4]}).`.replace(
        /\.\)/,
        ")",
      ),
      "Wait for other work to end, ask for less, or ask who runs the cluster for a larger quota.",
    );
  const unset = /failed quota: ([^:]+): must specify (.*)$/.exec(message);
  if (unset !== null)
    return trouble(
      `The namespace's quota ${unset[1]} wants that pods say ${end(unset[2] ?? "")}`,
      "Tell who runs the cluster.",
    );
  const security = /violates PodSecurity "([^"]+)": (.*)$/s.exec(message);
  if (security !== null)
    return trouble(
      `The namespace does not allow our pods (pod security ${security[1]}): ${end(security[2] ?? "")}`,
      "Check the settings for pods, or use another namespace.",
    );
  const webhook = /admission webhook "([^"]+)" denied the request:?\s*(.*)$/s.exec(message);
  if (webhook !== null)
    return trouble(
      `A rule of the cluster (${webhook[1]}) does not allow this: ${end(webhook[2] || "it gives no reason")}`,
      "Ask who runs the cluster.",
    );
  const policy = /ValidatingAdmissionPolicy '([^']+)'.*denied request:\s*(.*)$/s.exec(message);
  if (policy !== null)
    return trouble(
      `A rule of the cluster (${policy[1]}) does not allow this: ${end(policy[2] ?? "")}`,
      "Ask who runs the cluster.",
    );
  if (/(maximum|minimum) .* usage per/.test(message))
    return trouble(
      `The namespace's limits do not allow such pods: ${end(message.replace(/^.*?forbidden: /, ""))}`,
      "Ask for less per pod in the settings.",
    );
  const lacking =
    /no PriorityClass with name (\S+) was found|RuntimeClass "([^"]+)" not found|serviceaccount "([^"]+)" not found/.exec(
      message,
    );
  if (lacking !== null)
    return trouble(
      `The cluster does not have the ${lacking[1] ? "priority class" : lacking[2] ? "runtime class" : "service account"} ${lacking[1] ?? lacking[2] ?? lacking[3]}.`,
      "Correct it in the settings.",
    );
  if (
    /dial tcp|connection refused|timeout|deadline exceeded|EOF|etcdserver|kube-system:\S+ cannot/.test(
      message,
    )
  )
    return waiting(
      "The cluster cannot make pods just now: its own parts do not reach or know each other.",
      "Wait: it tries again by itself. If it lasts, tell who runs the cluster.",
    );
  return trouble(
    `The cluster does not take our pods: ${end(message)}`,
    "Ask who runs the cluster, or correct the settings.",
  );
}

const statusSchema = z.object({
  reason: z.string().default(""),
  message: z.string().default(""),
  details: z
    .object({
      kind: z.string().default(""),
      causes: z
        .array(z.object({ field: z.string().default(""), message: z.string().default("") }))
        .default([]),
    })
    .prefault({}),
});

/**
 * An answer that is no success, as the error it is.
 * @param doing what was wanted: "start the Job", for the sentence
 */
export function refusal({ status, body }: Answer, doing: string, namespace: string): AutochromeError {
  const { reason, message, details } = statusSchema.safeParse(body).data ?? {
    reason: "",
    message: statusMessage(body),
    details: { kind: "", causes: [] },
  };
  const detail = { detail: `${status} ${reason} ${message}`.trim() };
  const missing = /^namespaces "([^"]+)" not found/.exec(message);
  if (missing !== null)
    return new AutochromeError(
      "cluster-refused",
      `The namespace ${missing[1]} is not there.`,
      "Create it, or set another one as kubeNamespace.",
      detail,
    );
  if (/because it is being terminated/.test(message))
    return new AutochromeError(
      "cluster-refused",
      `The namespace ${namespace} is being deleted.`,
      "Use another one, or wait and create it again.",
      detail,
    );
  const right = /cannot (\S+) resource "([^"]+)"(?: in API group "([^"]*)")?/.exec(message);
  if (status === 403 && (right !== null || message === ""))
    return new AutochromeError(
      "cluster-forbidden",
      right === null
        ? `You may not ${doing} in the namespace ${namespace}.`
        : `You may not ${doing}: in the namespace ${namespace} the right to “${right[1]}” ${right[2]} is missing.`,
      "Ask who runs the cluster for it; `autochrome cluster check` names every right that is missing.",
      detail,
    );
  if (status === 403) {
    const words = explainRefusal(message);
    return new AutochromeError("cluster-refused", words.message, words.next, detail);
  }
  if (status === 422 || status === 400) {
    const causes = details.causes.map(({ field, message: what }) => `${field}: ${what}`).join("; ");
    return new AutochromeError(
      "cluster-refused",
      `The cluster does not understand what it was given to ${doing}: ${end(causes || message)}`,
      "Check the settings for the cluster; if they are right, report this with `autochrome doctor`.",
      detail,
    );
  }
  return new AutochromeError(
    status === 404 ? "not-found" : "cluster-refused",
    status === 404
      ? `What is needed to ${doing} is not on the cluster.`
      : `The cluster does not ${doing} (${status}): ${end(message)}`,
    "Run `autochrome cluster check`.",
    detail,
  );
}

/** With one full stop, and not longer than people read. */
export function end(text: string): string {
  const plain = text.replaceAll(/\s+/g, " ").trim();
  const short = plain.length > 400 ? `${plain.slice(0, 400)} …` : plain;
  return short.replace(/\.?$/, ".");
}
