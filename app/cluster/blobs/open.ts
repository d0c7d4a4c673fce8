// From settings, or from a grant, to a store. Owns: which back end that is.
// Must never: load the SDK for S3 where nobody uses S3.
import { createFolderWire } from "./folder-wire.ts";
import { createGatewayWire, type GatewaySettings } from "./gateway.ts";
import { createPresignedWire } from "./presigned.ts";
import type { S3Settings } from "./s3.ts";
import type { BlobStore, Grant } from "./store.ts";
import { createBlobStore } from "./transfer.ts";
import { type Patience, USUAL_PATIENCE } from "./trouble.ts";
import type { Wire } from "./wire.ts";

export type StoreSettings =
  | ({ readonly kind: "s3" } & S3Settings)
  | ({ readonly kind: "gateway" } & GatewaySettings)
  | { readonly kind: "folder"; readonly folder: string; readonly maxBytes?: number };

/** The store that settings name. Asks nothing of it yet. @throws AutochromeError "usage" */
export async function openBlobStore(
  settings: StoreSettings,
  patience: Partial<Patience> = {},
): Promise<BlobStore> {
  const all = { ...USUAL_PATIENCE, ...patience };
  return createBlobStore(await wireOf(settings, all.stallMs), all);
}

/** The store as a grant shows it: its keys can be read and written, and nothing else. */
export async function openGrantedStore(grant: Grant, patience: Partial<Patience> = {}): Promise<BlobStore> {
  const all = { ...USUAL_PATIENCE, ...patience };
  const wire =
    grant.kind === "s3" ? createPresignedWire(grant, all.stallMs) : await wireOf(grant, all.stallMs);
  return createBlobStore(wire, all);
}

async function wireOf(settings: StoreSettings, stallMs: number): Promise<Wire> {
  switch (settings.kind) {
    case "s3": {
      const { createS3Wire } = await import("./s3.ts");
      return createS3Wire(settings, stallMs);
    }
    case "gateway":
      return createGatewayWire(settings, stallMs);
    case "folder":
      return createFolderWire(settings.folder, settings.maxBytes);
  }
}
