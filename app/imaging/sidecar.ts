// XMP sidecars: what a user wrote about a photo, in a small file beside it that other programs read.
// Owns: which field becomes which tag. Must never: touch the photo, or a tag of another program's.
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { WriteTags } from "exiftool-vendored";
import { AutochromeError, SOFTWARE, writeFileAtomically } from "../kernel/index.ts";
import { exiftool } from "./metadata.ts";

/** All that is written; what is undefined or empty is taken out of the sidecar. */
export interface SidecarFields {
  readonly title: string | undefined;
  readonly caption: string | undefined;
  readonly place: string | undefined;
  readonly people: readonly string[];
  readonly keywords: readonly string[];
  /** 1936, 1936-02 or 1936-02-11. */
  readonly takenAt: string | undefined;
  /** 0–5 */
  readonly rating: number | undefined;
}

/**
 * Makes a photo's sidecar, or brings it up to date: other tags in it stay.
 * @param sidecar absolute path that ends in .xmp
 * @throws AutochromeError "output-unwritable" where what lies there is no XMP, and the system's own errors
 */
export async function writeSidecarFile(sidecar: string, fields: SidecarFields): Promise<void> {
  const { takenAt } = fields;
  const isDay = takenAt?.length === 10;
  const tags = {
    "XMP-x:XMPToolkit": SOFTWARE,
    "XMP-dc:Title": fields.title ?? null,
    "XMP-dc:Description": fields.caption ?? null,
    "XMP-iptcCore:Location": fields.place ?? null,
    "XMP-iptcExt:PersonInImage": listed(fields.people),
    "XMP-dc:Subject": listed(fields.keywords),
    "XMP-xmp:Rating": fields.rating ?? null,
    "XMP-photoshop:DateCreated": takenAt ?? null,
    // Readers of this one expect a whole date.
    "XMP-exif:DateTimeOriginal": isDay ? `${takenAt}T00:00:00` : null,
  };
  // Not beside the photo: exiftool cannot work in a folder with a line break in its name.
  const folder = await mkdtemp(join(tmpdir(), "autochrome-sidecar-"));
  try {
    const draft = join(folder, "draft.xmp");
    await copyFile(sidecar, draft).catch(ignoreMissing);
    await exiftool()
      .write(draft, tags as WriteTags, { useMWG: false, writeArgs: ["-overwrite_original"] })
      .catch((cause: unknown) => {
        throw new AutochromeError(
          "output-unwritable",
          `${basename(sidecar)} cannot be changed: it is not an XMP file that can be read.`,
          "Move that file away and try again.",
          { cause },
        );
      });
    await writeFileAtomically(sidecar, await readFile(draft), { overwrite: true });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function listed(values: readonly string[]): string[] | null {
  return values.length === 0 ? null : [...values];
}

function ignoreMissing(error: unknown): void {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
  throw error;
}
