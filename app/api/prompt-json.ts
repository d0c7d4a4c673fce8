// Prompts as ComfyUI's routes show them: queue items, history entries, jobs; and answers that are written in pieces.
// Must never: know a route.
import { names } from "../batches/index.ts";
import { type FinishedPrompt, isFinished, type PromptState, type StoredPrompt } from "../catalogue/index.ts";

/** ComfyUI's words for a job's state. */
export const STATES = {
  pending: "pending",
  in_progress: "running",
  completed: "success",
  failed: "error",
  cancelled: "interrupted",
} as const satisfies Record<string, PromptState>;

/** Whether a text is a UUID as ComfyUI takes it: in lower case, with hyphens. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

const item = ({ number, id, graph, extraData, targets }: StoredPrompt) => [
  number,
  id,
  graph,
  extraData,
  targets,
];

/** JSON of an item of GET /queue. */
export function queueItem(prompt: StoredPrompt): string {
  return JSON.stringify(item(prompt));
}

/** JSON of an entry of GET /history, with its key. Nothing while the prompt is not finished. */
export function historyEntry(prompt: StoredPrompt): string | undefined {
  if (!isFinished(prompt)) return undefined;
  const { outputs } = prompt;
  const meta = Object.fromEntries(
    Object.keys(outputs).map((node) => {
      const { node_id, display_node_id, parent_node_id, real_node_id } = names(node);
      return [node, { node_id, display_node: display_node_id, parent_node: parent_node_id, real_node_id }];
    }),
  );
  return `${JSON.stringify(prompt.id)}:${JSON.stringify({ prompt: item(prompt), outputs, status: statusOf(prompt), meta })}`;
}

function statusOf({ state, messages }: FinishedPrompt) {
  const isSuccess = state === "success";
  return { status_str: isSuccess ? "success" : "error", completed: isSuccess, messages };
}

/** A job. @param isDetailed with its graph, outputs and messages */
export function jobOf(prompt: StoredPrompt | FinishedPrompt, isDetailed: boolean): Record<string, unknown> {
  const done = isFinished(prompt) ? prompt : undefined;
  const outputs = done?.outputs ?? {};
  const shown = Object.entries(outputs).flatMap(([nodeId, ui]) => filesOf(nodeId, ui));
  const failure = done?.messages.find(isFailure)?.[1];
  const workflow = pick(pick(prompt.extraData.extra_pnginfo, "workflow"), "id");
  const job = {
    id: prompt.id,
    status: Object.entries(STATES).find(([, state]) => state === prompt.state)?.[0],
    priority: prompt.number,
    create_time: prompt.createdAt,
    execution_start_time: done?.startedAt,
    execution_end_time: done?.finishedAt,
    execution_error: failure,
    outputs_count: shown.length,
    previewable_outputs_count: shown.length,
    preview_output: shown.find(({ type }) => type === "output") ?? shown[0],
    workflow_id: workflow,
  };
  const details = {
    ...(done === undefined ? {} : { outputs, execution_status: statusOf(done) }),
    workflow: { prompt: prompt.graph, extra_data: prompt.extraData },
  };
  return isDetailed ? { ...job, ...details } : job; // undefined ones are left out of JSON
}

/** Files that a node showed; ours are all pictures. */
function filesOf(nodeId: string, ui: unknown): { readonly type: unknown }[] {
  const images = pick(ui, "images");
  if (!Array.isArray(images)) return [];
  return images.map((image: object) => ({
    ...image,
    type: pick(image, "type"),
    nodeId,
    mediaType: "images",
  }));
}

function isFailure(message: unknown): message is readonly ["execution_error", unknown] {
  return Array.isArray(message) && message[0] === "execution_error";
}

function pick(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/** Pieces of JSON: `start`, what `write` makes of each value with commas between, `end`. */
export function* parts<T>(
  start: string,
  values: Iterable<T>,
  write: (value: T) => string | undefined,
  end: string,
): Generator<string> {
  yield start;
  let comma = "";
  for (const value of values) {
    const text = write(value);
    if (text === undefined) continue;
    yield comma + text;
    comma = ",";
  }
  yield end;
}

/** An answer of JSON that is made while it is sent, as fast as the client takes it. */
export function streamJson(...pieces: readonly Iterator<string>[]): Response {
  const left = [...pieces];
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        for (let first = left[0]; first !== undefined; first = left[0]) {
          const { done, value } = first.next();
          if (done !== true) return controller.enqueue(encoder.encode(value));
          left.shift();
        }
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "Content-Type": "application/json; charset=utf-8" } });
}
