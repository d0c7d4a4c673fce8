// Results of nodes, by what they depend on: what an earlier run of this process made is not made again.
//
// Owns: which results are kept, and the scratch files of large pictures, until nobody needs them.
// Must never: serve two runs at a time, or know what a node does.
import { unlink } from "node:fs/promises";
import { type Pixels, scratchFilesOf } from "../imaging/index.ts";
import type { Ui } from "./node.ts";

/** What a node gave. */
export interface NodeResult {
  /** One value per output socket. */
  readonly outputs: readonly unknown[];
  readonly ui?: Ui;
}

export interface GraphCache {
  /** Large pictures lie beside this path. */
  readonly scratchBeside: string;
  get(key: string): NodeResult | undefined;
  /** Keeps a result while there is room; the oldest ones go first. */
  put(key: string, result: NodeResult): void;
  /** Removes scratch files that are in neither a kept result nor in `inUse`. Files are known once they were in either. */
  sweep(inUse: Iterable<unknown>): Promise<void>;
  /** Forgets all results. */
  clear(): Promise<void>;
}

export interface CacheOptions {
  readonly scratchBeside: string;
  /** Bytes of pixels that are kept, in memory and in scratch files together. 0: none. */
  readonly capacity: number;
}

export function createGraphCache(options: CacheOptions): GraphCache {
  const { scratchBeside, capacity } = options;
  const kept = new Map<string, { readonly result: NodeResult; readonly bytes: number }>();
  const files = new Set<string>();
  let total = 0;

  async function sweep(inUse: Iterable<unknown>): Promise<void> {
    const live = new Set<string>();
    for (const value of inUse) scratchFilesOf(value, live);
    for (const { result } of kept.values()) scratchFilesOf(result.outputs, live);
    for (const file of live) files.add(file);
    for (const file of files) {
      if (live.has(file)) continue;
      files.delete(file);
      await unlink(file).catch(() => undefined); // gone already is as good
    }
  }

  return {
    scratchBeside,
    sweep,
    get(key) {
      const entry = kept.get(key);
      if (entry === undefined) return undefined;
      kept.delete(key); // to the young end
      kept.set(key, entry);
      return entry.result;
    },
    put(key, result) {
      for (const file of scratchFilesOf(result.outputs)) files.add(file);
      // A result without pixels (of an output node) takes little, but not nothing.
      const bytes = 1024 + pixelBytesOf(result.outputs);
      if (bytes > capacity || kept.has(key)) return;
      kept.set(key, { result, bytes });
      total += bytes;
      for (const [oldest, entry] of kept) {
        if (total <= capacity) break;
        kept.delete(oldest);
        total -= entry.bytes;
      }
    },
    async clear() {
      kept.clear();
      total = 0;
      await sweep([]);
    },
  };
}

/** Bytes of all pictures and masks in a value. One that is there twice counts twice. */
function pixelBytesOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, part) => sum + pixelBytesOf(part), 0);
  if (!("bitDepth" in value && "data" in value)) return 0;
  const { width, height, channels, bitDepth } = value as Pixels;
  const under = "lightnessOf" in value ? pixelBytesOf(value.lightnessOf) : 0;
  return width * height * channels * (bitDepth / 8) + under;
}
