// A folder of blobs as a store: for tests, and for pods that see the same disk. Owns: nothing of its own.
// Must never: be the only copy of a result; the folder belongs to whoever named it.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { openBlobFolder } from "./folder.ts";
import type { GrantRequest } from "./store.ts";
import { networkTrouble, StoreTrouble } from "./trouble.ts";
import type { Content, Sending, Wire } from "./wire.ts";

const PIECE = 4 * 1024 * 1024;

/** @param folder absolute path; it is made where it is not there @param maxBytes of all blobs; 0 for no limit */
export async function createFolderWire(folder: string, maxBytes = 0): Promise<Wire> {
  const blobs = await openBlobFolder(folder, { maxBytes });
  const place = `folder ${folder}`;
  return {
    place,
    head: (key) => blobs.head(key),
    async read(key, offset) {
      const path = blobs.path(key);
      const facts = await stat(path).catch(() => undefined);
      if (facts === undefined) return undefined;
      const tag = `${facts.ino}-${facts.size}-${facts.mtimeMs}`;
      const body = createReadStream(path, { start: offset });
      return { first: offset, size: facts.size, tag, body, discard: () => void body.destroy() };
    },
    async write(key, content, { signal, onProgress }) {
      const received = await blobs.receive(
        { key, sha256: content.sha256, size: content.size },
        0,
        pieces(content, { signal, onProgress }),
      );
      if (received.kind === "whole") return;
      const busy = Object.assign(new Error("somebody else sends it too"), { code: "ETIMEDOUT" });
      throw new StoreTrouble(networkTrouble(busy, place).error, "later", 100);
    },
    page: (prefix, after) => blobs.page(prefix, after),
    async remove(keys) {
      for (const key of keys) await blobs.remove(key);
    },
    grant: async ({ seconds }: GrantRequest) => ({
      kind: "folder",
      expires: new Date(Date.now() + seconds * 1000).toISOString(),
      folder,
    }),
    judge: (error) => networkTrouble(error, place),
    close: async () => undefined,
  };
}

async function* pieces(content: Content, { signal, onProgress }: Sending): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < content.size; start += PIECE) {
    signal?.throwIfAborted();
    const end = Math.min(start + PIECE, content.size);
    yield await content.piece(start, end);
    onProgress(end);
  }
}
