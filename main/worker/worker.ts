// The program of a pod: one chunk of a batch, photo by photo, by the same engine as on a desktop.
//
// Environment: AUTOCHROME_MANIFEST ("<batch>/<attempt>"), AUTOCHROME_STORE (a grant, JSON), JOB_COMPLETION_INDEX,
// AUTOCHROME_FAILURES (how often this chunk failed), AUTOCHROME_POD. Settings as everywhere.
// Must never: exit with 0 unless every photo of the chunk has its record.
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { chunkKey, chunkSchema, createLocalExecutor, MOST_BYTES, workOff } from "../../app/batches/index.ts";
import { grantSchema, openGrantedStore, WORKER_EXIT } from "../../app/cluster/index.ts";
import { AutochromeError, createLogger, loadConfig, toErrorRecord } from "../../app/kernel/index.ts";
import { surroundingsFor } from "../surroundings.ts";

const environmentSchema = z.object({
  AUTOCHROME_MANIFEST: z.string().regex(/^[a-z0-9-]+\/\d+$/),
  AUTOCHROME_STORE: z.string(),
  JOB_COMPLETION_INDEX: z.coerce.number().int().min(0),
  AUTOCHROME_FAILURES: z.coerce.number().int().min(0).catch(0),
  AUTOCHROME_POD: z.string().default("pod"),
  /** Where Prometheus may ask; no port: nowhere. */
  AUTOCHROME_METRICS_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
});

/** @returns the exit code */
export async function work(environment: NodeJS.ProcessEnv = process.env): Promise<number> {
  let base = createLogger("info");
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once("SIGTERM", onSignal);
  process.once("SIGINT", onSignal);
  try {
    const config = loadConfig(environment);
    if (config.logLevel !== "warn") base = createLogger(config.logLevel);
    const settings = environmentSchema.parse(environment);
    const [batch = "", attempt = ""] = settings.AUTOCHROME_MANIFEST.split("/");
    const index = settings.JOB_COMPLETION_INDEX;
    const log = base.child({ batch, attempt: Number(attempt), index });
    const grant = grantSchema.parse(JSON.parse(settings.AUTOCHROME_STORE));
    const outer = await openGrantedStore(grant);
    const bytes = await outer
      .getBytes(chunkKey(batch, Number(attempt), index), { maxBytes: MOST_BYTES }, { signal: stop.signal })
      .finally(() => outer.close());
    const chunk = chunkSchema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    log.info({ photos: chunk.items.length, failures: settings.AUTOCHROME_FAILURES }, "chunk begins");

    const surroundings = surroundingsFor(config, log, { isPolite: false });
    const executor = createLocalExecutor(surroundings);
    const store = await openGrantedStore(chunk.grant);
    const counts = { done: 0, failed: 0, there: 0 };
    const metrics = serveMetrics(settings.AUTOCHROME_METRICS_PORT, counts);
    try {
      await workOff({
        chunk,
        store,
        executor,
        folder: join(tmpdir(), "autochrome-chunk"),
        pod: settings.AUTOCHROME_POD,
        // A pod that was killed for its memory comes back; from then on it takes one photo at a time.
        mostAtOnce: settings.AUTOCHROME_FAILURES > 0 ? 1 : executor.capacity,
        signal: stop.signal,
        log,
        counts,
      });
    } finally {
      metrics?.close();
      await executor.close();
      await surroundings.close();
      await store.close();
    }
    log.info({ ...counts }, "chunk done");
    return WORKER_EXIT.done;
  } catch (thrown) {
    if (stop.signal.aborted) {
      base.warn("stopped before the end; what has a record stays");
      return WORKER_EXIT.stopped;
    }
    const error = toErrorRecord(thrown, "the chunk");
    base.error({ err: thrown, error }, error.message);
    const isStorage = isOfStorage(thrown);
    // The pod's last words, which the desktop shows. What to do about the storage it knows better.
    process.stderr.write(`${error.message}${isStorage ? "" : ` ${error.next}`}\n`);
    if (isSetUp(thrown)) return WORKER_EXIT.setUp;
    return isStorage ? WORKER_EXIT.storage : 1;
  }
}

/** Trouble that no further attempt mends. */
function isSetUp(thrown: unknown): boolean {
  if (thrown instanceof z.ZodError || thrown instanceof SyntaxError) return true;
  return (
    thrown instanceof AutochromeError &&
    [
      "model-missing",
      "model-damaged",
      "model-unfit",
      "workflow-invalid",
      "usage",
      "device-unavailable",
    ].includes(thrown.code)
  );
}

/** Trouble between the pod and the storage, a chunk that is gone included: it says nothing about the photos. */
function isOfStorage(thrown: unknown): boolean {
  return thrown instanceof AutochromeError && /^(storage-|not-found$)/.test(thrown.code);
}

function serveMetrics(port: number | undefined, counts: Readonly<Record<string, number>>) {
  if (port === undefined) return undefined;
  const server = createServer((_, response) => {
    const lines = Object.entries(counts).map(
      ([outcome, count]) => `autochrome_chunk_photos_total{outcome="${outcome}"} ${count}\n`,
    );
    response.setHeader("Content-Type", "text/plain; version=0.0.4");
    response.end(`# TYPE autochrome_chunk_photos_total counter\n${lines.join("")}`);
  });
  server.on("error", () => undefined); // nobody can ask then; the work matters more
  server.listen(port);
  return server;
}

if (import.meta.main) process.exit(await work());
