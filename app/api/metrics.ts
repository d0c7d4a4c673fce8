// Numbers for Prometheus. Owns: its registry. Must never: have a label that clients can choose freely, or a prompt's content.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { PromptQueue } from "../batches/index.ts";
import type { Colorizer } from "../colorize/index.ts";

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  /** @param route the pattern, not the address */
  request(method: string, route: string, status: number, seconds: number): void;
  cleaned(files: number, bytes: number): void;
  close(): void;
}

/** Messages with which prompts end. */
const ENDINGS: Readonly<Record<string, string>> = {
  execution_success: "success",
  execution_error: "error",
  execution_interrupted: "interrupted",
};
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

export function createMetrics(parts: {
  readonly queue: Pick<PromptQueue, "on" | "remaining" | "current">;
  readonly colorizer: Pick<Colorizer, "counts">;
  /** Connected WebSockets. */
  readonly clients: () => number;
}): Metrics {
  const { queue, colorizer, clients } = parts;
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: "autochrome_http_requests_total",
    help: "HTTP requests answered",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "autochrome_http_request_seconds",
    help: "Time from a request's head to the answer's head",
    labelNames: ["method", "route"],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  });
  new Gauge({
    name: "autochrome_queue_prompts",
    help: "Prompts that wait or run",
    labelNames: ["state"],
    registers,
    collect() {
      const running = queue.current() === undefined ? 0 : 1;
      this.set({ state: "running" }, running);
      this.set({ state: "pending" }, Math.max(0, queue.remaining() - running));
    },
  });
  const prompts = new Counter({
    name: "autochrome_prompts_total",
    help: "Prompts that ended, by how",
    labelNames: ["state"],
    registers,
  });
  for (const state of Object.values(ENDINGS)) prompts.inc({ state }, 0);
  new Counter({
    name: "autochrome_network_answers_total",
    help: "What the network was asked: run now, or known from before",
    labelNames: ["kind"],
    registers,
    collect() {
      this.reset();
      this.inc({ kind: "run" }, colorizer.counts.runs);
      this.inc({ kind: "known" }, colorizer.counts.known);
    },
  });
  new Gauge({
    name: "autochrome_websocket_clients",
    help: "Connected WebSockets",
    registers,
    collect() {
      this.set(clients());
    },
  });
  const files = new Counter({
    name: "autochrome_cleaned_files_total",
    help: "Files cleaned away",
    registers,
  });
  const freed = new Counter({
    name: "autochrome_cleaned_bytes_total",
    help: "Bytes cleaned away",
    registers,
  });

  const stopListening = queue.on({
    watches: () => false,
    onEvent(event) {
      const state = event.kind === "message" ? ENDINGS[event.type] : undefined;
      if (state !== undefined) prompts.inc({ state });
    },
  });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request(method, route, status, duration) {
      const known = METHODS.has(method) ? method : "other";
      requests.inc({ method: known, route, status });
      seconds.observe({ method: known, route }, duration);
    },
    cleaned(count, bytes) {
      files.inc(count);
      freed.inc(bytes);
    },
    close() {
      stopListening();
      registry.clear();
    },
  };
}
