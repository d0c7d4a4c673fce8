// What clients are told about a prompt, in ComfyUI's words and order: from the events of a run to messages.
//
// Owns: the messages' types, data and audience, and the part of them that stays in the history.
// Must never: know how messages travel, or touch the queue.
import type { StoredPrompt } from "../catalogue/index.ts";
import { type ErrorRecord, toErrorRecord } from "../kernel/index.ts";
import type { RunEvent, RunResult } from "../workflow/index.ts";

/** Whom a message is for: one client, everyone, or nobody where the prompt named no client. */
export type Audience = { readonly client: string } | "everyone" | "nobody";

export type PromptEvent =
  /** How many prompts wait or run; after every change of the queue. */
  | { readonly kind: "status"; readonly remaining: number }
  | {
      readonly kind: "message";
      readonly to: Audience;
      readonly type: string;
      readonly data: Readonly<Record<string, unknown>>;
    }
  | {
      readonly kind: "preview";
      readonly to: Audience;
      readonly promptId: string;
      readonly node: string;
      readonly image: Buffer;
      readonly format: "jpeg" | "png";
    };

/** [event, data], as the history keeps them. */
export type Message = readonly [string, Readonly<Record<string, unknown>>];

/** The end of a prompt: what the history says, and what is announced once the history says it. */
export interface Ending {
  readonly state: RunResult["status"];
  readonly outputs: RunResult["outputs"];
  readonly messages: readonly Message[];
  readonly finishedAt: number;
}

export interface Narrator {
  /** The node that runs, or ran last. */
  readonly node: string | undefined;
  start(): void;
  on(event: RunEvent): void;
  /** The end of the story, not told yet: it has to be in the history first. */
  end(result: RunResult): Ending;
  /** Tells the end. */
  announce(ending: Ending): void;
  /** Nothing more comes. */
  close(): void;
}

interface NodeProgress {
  value: number;
  max: number;
  state: "running" | "finished" | "error";
}

/** Who sees a prompt's progress and previews. Most other messages about a prompt without a client go to nobody. */
export function audienceOf(prompt: StoredPrompt): Audience {
  return prompt.clientId === undefined ? "everyone" : { client: prompt.clientId };
}

/** Tells the story of one run. @param tell gets every event in its order */
export function createNarrator(prompt: StoredPrompt, tell: (event: PromptEvent) => void): Narrator {
  const { id } = prompt;
  const wide = audienceOf(prompt);
  const own = wide === "everyone" ? "nobody" : wide;
  const progress = new Map<string, NodeProgress>();
  const kept: Message[] = [];
  let node: string | undefined;

  const say = (type: string, data: Readonly<Record<string, unknown>>, to: Audience = own) =>
    tell({ kind: "message", to, type, data });
  const keep = (type: string, data: Readonly<Record<string, unknown>>): Message => {
    const message: Message = [type, { prompt_id: id, ...data, timestamp: Date.now() }];
    kept.push(message);
    return message;
  };
  const sayProgress = () => {
    const nodes = Object.fromEntries(
      [...progress].map(([key, state]) => [key, { ...state, prompt_id: id, ...names(key) }]),
    );
    say("progress_state", { prompt_id: id, nodes }, wide);
  };

  return {
    get node() {
      return node;
    },
    start: () => say(...keep("execution_start", {})),
    on(event) {
      switch (event.type) {
        case "cached":
          return say(...keep("execution_cached", { nodes: event.nodes }));
        case "node-started":
          node = event.node;
          progress.set(node, { value: 0, max: 1, state: "running" });
          sayProgress();
          return say("executing", { node, display_node: node, prompt_id: id });
        case "progress": {
          const { value, max } = event;
          progress.set(event.node, { value, max, state: "running" });
          sayProgress();
          return say("progress", { value, max, prompt_id: id, node: event.node }, wide);
        }
        case "preview": {
          const { image, format } = event;
          return tell({ kind: "preview", to: wide, promptId: id, node: event.node, image, format });
        }
        case "node-finished": {
          if (event.ui !== undefined) {
            say("executed", { node: event.node, display_node: event.node, output: event.ui, prompt_id: id });
          }
          const max = progress.get(event.node)?.max ?? 1;
          progress.set(event.node, { value: max, max, state: "finished" });
          return sayProgress();
        }
      }
    },
    end(result) {
      const { failure, executed, status } = result;
      const place = { node_id: failure?.node ?? node ?? "", node_type: failure?.class ?? "", executed };
      if (status === "success") keep("execution_success", {});
      else if (status === "interrupted") keep("execution_interrupted", place);
      else keep("execution_error", { ...place, ...describe(failure?.error, failure?.inputs, executed) });
      return { state: status, outputs: result.outputs, messages: kept, finishedAt: Date.now() };
    },
    announce(ending) {
      const failed = node === undefined ? undefined : progress.get(node);
      if (ending.state === "error" && failed?.state === "running") {
        failed.state = "error";
        sayProgress();
      }
      const last = ending.messages.at(-1);
      if (last !== undefined) say(...last, ending.state === "interrupted" ? wide : own);
    },
    close: () => say("executing", { node: null, prompt_id: id }),
  };
}

/** How a prompt ends that the program died of, so often that it is not tried again. */
export function fatalEnding(prompt: StoredPrompt): Ending {
  const error: ErrorRecord = {
    code: "internal",
    message: `This prompt brought the program down ${prompt.attempts} times, so it is not tried again.`,
    next: "Try smaller pictures or a smaller model, and run `autochrome doctor` to report it.",
  };
  const timestamp = Date.now();
  const place = { node_id: "", node_type: "", executed: [] };
  const data = { prompt_id: prompt.id, ...place, ...describe(error, {}, []), timestamp };
  return { state: "error", outputs: {}, messages: [["execution_error", data]], finishedAt: timestamp };
}

/** Technical detail stays in the log: it has paths in it. */
function describe(
  error: ErrorRecord | undefined,
  inputs: Readonly<Record<string, unknown>> | undefined,
  executed: readonly string[],
) {
  const { code, message, next } = error ?? toErrorRecord(undefined, "this prompt");
  return {
    exception_message: `${message}\n${next}`,
    exception_type: code,
    traceback: [],
    current_inputs: Object.fromEntries(Object.entries(inputs ?? {}).map(([name, value]) => [name, [value]])),
    current_outputs: executed,
  };
}

/** A node's names, as ComfyUI gives them: there are no nodes within nodes here. */
export function names(node: string) {
  return { node_id: node, display_node_id: node, parent_node_id: null, real_node_id: node };
}
