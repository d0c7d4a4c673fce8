// Versions: the coloured results of a photo, each with the full record of its making.
// Owns: the table version. Must never: delete a file.
import { z } from "zod";
import { AutochromeError } from "../kernel/index.ts";
import type { Database } from "./database.ts";
import type { VersionTable } from "./schema.ts";

export interface NewVersion {
  readonly id: string;
  readonly photoId: string;
  readonly itemId: string;
  /** Relative to the library folder, with "/". */
  readonly file: string;
  /** sha256 of the result, hex. */
  readonly fileHash: string;
  readonly width: number;
  readonly height: number;
  readonly format: string;
  /** The network's colours, kept for tuning: relative to the library folder, with "/". */
  readonly chroma: string | undefined;
  /** sha256 of the original, hex. */
  readonly sourceHash: string;
  /** The graph that was run, in ComfyUI's API format. */
  readonly workflow: unknown;
  readonly parameters: unknown;
  readonly modelId: string;
  readonly modelSha256: string;
  readonly device: string;
  /** "Autochrome 0.1.0" */
  readonly program: string;
  readonly notes: readonly string[];
  /** ISO, UTC. */
  readonly createdAt: string;
}

export interface Version extends NewVersion {
  readonly review: "undecided" | "accepted" | "rejected";
  readonly rating: number | undefined;
  readonly note: string | undefined;
}

const notesSchema = z.array(z.string());

/** Called inside the transaction that completes the item. A photo that was removed meanwhile has no versions. */
export function insertVersion(db: Database, version: NewVersion): void {
  const photo = db.get(db.build.selectFrom("photo").select("id").where("id", "=", version.photoId));
  if (photo === undefined) return;
  db.run(
    db.build.insertInto("version").values({
      id: version.id,
      photo_id: version.photoId,
      item_id: version.itemId,
      file: version.file,
      file_hash: version.fileHash,
      width: version.width,
      height: version.height,
      format: version.format,
      source_hash: version.sourceHash,
      workflow: JSON.stringify(version.workflow),
      parameters: JSON.stringify(version.parameters),
      model_id: version.modelId,
      model_sha256: version.modelSha256,
      device: version.device,
      program: version.program,
      notes: JSON.stringify(version.notes),
      created_at: version.createdAt,
      rating: null,
      note: null,
      chroma: version.chroma ?? null,
    }),
  );
}

export function findVersion(db: Database, id: string): Version | undefined {
  const row = db.get(db.build.selectFrom("version").selectAll().where("id", "=", id));
  return row === undefined ? undefined : toVersion(row);
}

/** A photo's versions, oldest first. */
export function listVersions(db: Database, photoId: string): Version[] {
  return db
    .all(
      db.build
        .selectFrom("version")
        .selectAll()
        .where("photo_id", "=", photoId)
        .orderBy("created_at")
        .orderBy("id"),
    )
    .map(toVersion);
}

/**
 * The version of a photo that goes out: the newest accepted one, else the newest that was not rejected.
 * @param acceptedOnly nothing but accepted ones
 */
export function chosenVersion(db: Database, photoId: string, acceptedOnly: boolean): Version | undefined {
  const versions = listVersions(db, photoId).reverse();
  return (
    versions.find((version) => version.review === "accepted") ??
    (acceptedOnly ? undefined : versions.find((version) => version.review === "undecided"))
  );
}

/** Records a decision about a version. @returns false when there is no such version */
export function reviewVersion(db: Database, id: string, review: Version["review"]): boolean {
  return db.run(db.build.updateTable("version").set({ review }).where("id", "=", id)) > 0;
}

/** What somebody thinks of a version. Null clears a field, absent leaves it. */
export interface VersionChange {
  readonly review?: Version["review"] | undefined;
  /** 0–5 */
  readonly rating?: number | null | undefined;
  readonly note?: string | null | undefined;
}

/** @throws AutochromeError "not-found" */
export function changeVersion(db: Database, id: string, { review, rating, note }: VersionChange): Version {
  const change = {
    ...(review === undefined ? {} : { review }),
    ...(rating === undefined ? {} : { rating }),
    ...(note === undefined ? {} : { note: note === "" ? null : note }),
  };
  if (Object.keys(change).length > 0) {
    db.run(db.build.updateTable("version").set(change).where("id", "=", id));
  }
  const version = findVersion(db, id);
  if (version !== undefined) return version;
  throw new AutochromeError("not-found", "This version is not there any more.", "Choose another one.");
}

type VersionRow = { [Column in keyof VersionTable]: Column extends "review" ? string : VersionTable[Column] };

function toVersion(row: VersionRow): Version {
  return {
    id: row.id,
    photoId: row.photo_id,
    itemId: row.item_id,
    file: row.file,
    fileHash: row.file_hash,
    width: row.width,
    height: row.height,
    format: row.format,
    chroma: row.chroma ?? undefined,
    sourceHash: row.source_hash,
    workflow: JSON.parse(row.workflow),
    parameters: JSON.parse(row.parameters),
    modelId: row.model_id,
    modelSha256: row.model_sha256,
    device: row.device,
    program: row.program,
    notes: notesSchema.parse(JSON.parse(row.notes)),
    createdAt: row.created_at,
    review: row.review as Version["review"], // the table's own CHECK allows no other
    rating: row.rating ?? undefined,
    note: row.note ?? undefined,
  };
}
