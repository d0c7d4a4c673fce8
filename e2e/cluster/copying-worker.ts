// A pod's program for tests of very many photos: everything of the real one but the colouring. Store, chunk, order of
// records and their form are the program's own; a photo's "result" is the photo once more, because two cores would need
// hours for ten thousand runs of the network, and what is counted does not depend on it.
// Must never: be taken for a test of the worker: whole-batch.test.ts runs that.
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chunkKey, chunkSchema, type Executor, MOST_BYTES, workOff } from "../../app/batches/index.ts";
import { grantSchema, openGrantedStore } from "../../app/cluster/index.ts";
import { silentLogger } from "../../app/kernel/index.ts";

const copying: Executor = {
  name: "copying",
  capacity: 4,
  device: "none",
  prepare: async () => undefined,
  close: async () => undefined,
  async run({ source, sourceHash = "", target, graph }) {
    const colours = `${target}.colours`;
    await copyFile(source, target);
    await copyFile(source, colours);
    return {
      ...{ status: "done", output: target, outputHash: sourceHash, sourceHash, width: 96, height: 72 },
      ...{ format: "jpeg", graph, colours, device: "none", models: [], networkMs: 0, notes: [] },
    };
  },
};

const {
  AUTOCHROME_MANIFEST: manifest = "",
  AUTOCHROME_STORE: granted = "",
  JOB_COMPLETION_INDEX: index,
} = process.env;
const [batch = "", attempt] = manifest.split("/");
const outer = await openGrantedStore(grantSchema.parse(JSON.parse(granted)));
const limits = { maxBytes: MOST_BYTES };
const bytes = await outer.getBytes(chunkKey(batch, Number(attempt), Number(index)), limits);
const chunk = chunkSchema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
const store = await openGrantedStore(chunk.grant);
await workOff({
  ...{ chunk, store, executor: copying, folder: join(tmpdir(), "chunk"), pod: "copying", mostAtOnce: 4 },
  ...{ signal: new AbortController().signal, log: silentLogger() },
  counts: { done: 0, failed: 0, there: 0 },
});
await Promise.all([store.close(), outer.close()]);
