// Where photos stand, kept by triggers, against the same read anew from items and versions.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { newId } from "../kernel/index.ts";
import { readCards } from "./cards.ts";
import { editPhoto, lastFailure, removePhoto } from "./edit.ts";
import { countSmart, findPhotos, readLayout, type SmartAlbum } from "./layout.ts";
import { type Library, openLibrary } from "./library.ts";
import { MIGRATIONS } from "./migrations.ts";
import {
  claimItem,
  completeItem,
  createBatch,
  failItem,
  getBatch,
  listBatches,
  releaseItem,
  retryFailed,
  setBatchState,
} from "./queue.ts";
import { insertPhoto, markMissing, setFile } from "./record.ts";
import { indexPhotos } from "./search.ts";
import { photoOf } from "./testing.ts";
import { findVersion, type NewVersion, reviewVersion, type Version } from "./versions.ts";

const open: Library[] = [];
afterEach(() => {
  for (const library of open.splice(0)) library.close();
});

const PHOTOS = 6;
const FAILURE = { code: "damaged-image", message: "It is damaged.", next: "Copy it again." } as const;
const LATER = Date.now() + 1e9;
const OWNER = "me";

async function libraryOf(
  count = PHOTOS,
): Promise<{ readonly library: Library; readonly ids: readonly string[] }> {
  const library = await openLibrary(":memory:");
  open.push(library);
  const ids = library.db.transaction(() =>
    Array.from({ length: count }, (_, index) => {
      const photo = photoOf(index, { id: newId(), isMono: index % 3 !== 2 });
      indexPhotos(library.db, [insertPhoto(library.db, photo)]);
      return photo.id;
    }),
  );
  return { library, ids };
}

const queue = ({ db }: Library, ids: readonly string[]) =>
  createBatch(
    db,
    { recipe: {}, executor: "local", priority: 0 },
    ids.map((photoId) => ({ photoId, source: "/x.jpg", target: (id: string) => `versions/${id}` })),
  );

function versionOf(photoId: string, itemId: string): NewVersion {
  return {
    id: newId(),
    photoId,
    itemId,
    file: `versions/${itemId}.jpg`,
    fileHash: "0".repeat(64),
    width: 1,
    height: 1,
    format: "jpeg",
    chroma: undefined,
    sourceHash: "0".repeat(64),
    workflow: {},
    parameters: {},
    modelId: "m",
    modelSha256: "",
    device: "cpu",
    program: "test",
    notes: [],
    createdAt: new Date().toISOString(),
  };
}

/** Claims the next item and ends it. */
function work({ db }: Library, end: "done" | "failed" | "released"): string | undefined {
  const item = claimItem(db, OWNER, LATER, "local");
  if (item === undefined) return undefined;
  if (end === "failed") failItem(db, item, OWNER, { ms: 1, error: FAILURE });
  else if (end === "released") releaseItem(db, item, OWNER);
  else {
    const version = versionOf(item.photoId ?? "", item.id);
    completeItem(db, item, OWNER, { ms: 1, result: {}, version });
    return version.id;
  }
  return undefined;
}

interface Truth {
  readonly id: string;
  readonly to_colour: number;
  readonly to_review: number;
  readonly accepted: number;
  readonly failed: number;
}

/** The smart albums of each photo from what their definitions say. */
function truth({ db }: Library): Truth[] {
  return db.raw
    .prepare<[], Truth>(
      `WITH item AS (SELECT *, row_number() OVER (PARTITION BY photo_id ORDER BY id DESC) AS age FROM batch_item),
       fact AS (SELECT photo.*, EXISTS (SELECT 1 FROM version WHERE photo_id = photo.id) AS has_version,
         EXISTS (SELECT 1 FROM item WHERE photo_id = photo.id AND state IN ('queued', 'running')) AS has_open
         FROM photo)
       SELECT id,
         is_mono = 1 AND missing_since IS NULL AND NOT has_version AND NOT has_open AS to_colour,
         EXISTS (SELECT 1 FROM version WHERE photo_id = fact.id AND review = 'undecided') AS to_review,
         EXISTS (SELECT 1 FROM version WHERE photo_id = fact.id AND review = 'accepted') AS accepted,
         NOT has_version AND NOT has_open
           AND EXISTS (SELECT 1 FROM item WHERE photo_id = fact.id AND age = 1 AND state = 'failed') AS failed
       FROM fact ORDER BY number`,
    )
    .all();
}

async function expectTruth(library: Library): Promise<void> {
  const rows = truth(library);
  const having = (key: Exclude<keyof Truth, "id">) =>
    rows.filter((row) => row[key] === 1).map((row) => row.id);
  const wanted = {
    toColour: having("to_colour"),
    toReview: having("to_review"),
    accepted: having("accepted"),
    failed: having("failed"),
  };
  const albums: readonly (keyof typeof wanted & SmartAlbum)[] = [
    "toColour",
    "toReview",
    "accepted",
    "failed",
  ];
  for (const smart of albums) expect(await findPhotos(library, { smart })).toEqual(wanted[smart]);
  expect(countSmart(library)).toEqual(
    Object.fromEntries(Object.entries(wanted).map(([smart, ids]) => [smart, ids.length])),
  );
}

type Step =
  | { readonly do: "queue"; readonly photos: readonly number[] }
  | { readonly do: "work"; readonly end: "done" | "failed" | "released" }
  | { readonly do: "review"; readonly version: number; readonly review: Version["review"] }
  | { readonly do: "retry" | "cancel"; readonly batch: number }
  | { readonly do: "lose" | "find" | "remove"; readonly photo: number };

const photo = fc.nat(PHOTOS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.uniqueArray(photo, { minLength: 1 }).map((photos): Step => ({ do: "queue", photos })),
  fc.constantFrom("done", "failed", "released").map((end): Step => ({ do: "work", end })),
  fc
    .tuple(fc.nat(20), fc.constantFrom("undecided", "accepted", "rejected"))
    .map(([version, review]): Step => ({ do: "review", version, review })),
  fc.tuple(fc.constantFrom("retry", "cancel"), fc.nat(5)).map(([what, batch]): Step => ({ do: what, batch })),
  fc
    .tuple(fc.constantFrom("lose", "find", "remove"), photo)
    .map(([what, index]): Step => ({ do: what, photo: index })),
);

function play(library: Library, ids: readonly string[], versions: string[], each: Step): void {
  const { db } = library;
  const there = (index: number) =>
    db.get(
      db.build
        .selectFrom("photo")
        .select(["number", "id"])
        .where("id", "=", ids[index] ?? ""),
    );
  switch (each.do) {
    case "queue": {
      const photos = each.photos.flatMap((index) => there(index)?.id ?? []);
      if (photos.length > 0) queue(library, photos);
      break;
    }
    case "work": {
      const version = work(library, each.end);
      if (version !== undefined) versions.push(version);
      break;
    }
    case "review": {
      const version = versions[each.version % Math.max(1, versions.length)];
      if (version !== undefined) reviewVersion(db, version, each.review);
      break;
    }
    case "retry":
    case "cancel": {
      const batches = listBatches(db);
      const batch = batches[each.batch % Math.max(1, batches.length)];
      if (batch === undefined) break;
      if (each.do === "retry") retryFailed(db, batch.id);
      else if (batch.state === "active") setBatchState(db, batch.id, "cancelled");
      break;
    }
    default: {
      const row = there(each.photo);
      if (row === undefined) break;
      if (each.do === "lose") markMissing(db, row.number);
      else if (each.do === "find") setFile(db, row.number, { path: `/${row.id}.jpg`, size: 1, mtime: 1 });
      else removePhoto(library, row.id);
    }
  }
}

describe("smart albums", () => {
  it("are what items, versions and files say, whatever happens", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { library, ids } = await libraryOf();
        const versions: string[] = [];
        for (const each of steps) play(library, ids, versions, each);
        await expectTruth(library);
        open.splice(open.indexOf(library), 1);
        library.close();
      }),
      { numRuns: 60 },
    );
  });

  it("follow a photo from grey to accepted", async () => {
    const { library, ids } = await libraryOf(1);
    const state = () => readCards(library, ids)[0]?.state;
    expect(state()).toBe("plain");
    queue(library, ids);
    expect([state(), countSmart(library).toColour]).toEqual(["working", 0]);
    work(library, "failed");
    expect(state()).toBe("failed");
    expect(lastFailure(library, ids[0] ?? "")).toEqual(FAILURE);
    expect(await findPhotos(library, { search: "state:failed" })).toEqual(ids);
    queue(library, ids);
    const first = work(library, "done") ?? "";
    expect(state()).toBe("review");
    queue(library, ids);
    const second = work(library, "done") ?? "";
    expect(readCards(library, ids)[0]).toMatchObject({ version: second, versions: 2 });
    reviewVersion(library.db, first, "accepted");
    expect(readCards(library, ids)[0]).toMatchObject({ version: first, state: "review" });
    reviewVersion(library.db, second, "rejected");
    expect(state()).toBe("accepted");
    reviewVersion(library.db, first, "rejected");
    expect(readCards(library, ids)[0]).toMatchObject({ version: undefined, state: "rejected" });
    expect(await findPhotos(library, { search: "状态:已拒绝" })).toEqual(ids);
  });
});

describe("a photo that is removed", () => {
  it("takes what waits for it out of the queue, so that its batch can end", async () => {
    const { library, ids } = await libraryOf(2);
    const batch = queue(library, ids);
    removePhoto(library, ids[1] ?? "");
    work(library, "done");
    expect(getBatch(library.db, batch.id).state).toBe("finished");
  });

  it("gets no version from the work that was under way", async () => {
    const { library, ids } = await libraryOf(1);
    const batch = queue(library, ids);
    const item = claimItem(library.db, OWNER, LATER, "local");
    removePhoto(library, ids[0] ?? "");
    if (item === undefined) throw new Error("there was nothing to claim");
    const version = versionOf(item.photoId ?? "", item.id);
    expect(completeItem(library.db, item, OWNER, { ms: 1, result: {}, version })).toBe(true);
    expect(findVersion(library.db, version.id)).toBe(undefined);
    expect(getBatch(library.db, batch.id).state).toBe("finished");
  });
});

describe("layouts from a file", () => {
  it("are read in a thread of their own, and see what is written", async () => {
    const folder = await mkdtemp(join(tmpdir(), "autochrome-layout-"));
    const library = await openLibrary(folder);
    open.push(library);
    const id = library.db.transaction(() => {
      insertPhoto(library.db, photoOf(1, { people: ["Ann"] }));
      return photoOf(1).id;
    });
    editPhoto(library, id, { title: "Ärger", takenAt: "1936" });
    const layout = await readLayout(library, { search: "arger person:ann", sort: "taken" });
    expect(Buffer.from(layout.ids).toString()).toBe(JSON.stringify([id]));
    expect({ ...layout, ids: 0, ratios: 0 }).toEqual({
      count: 1,
      ids: 0,
      ratios: 0,
      headings: [{ at: 0, text: "1936" }],
      hints: [],
    });
    await expect(readLayout(library, {}, AbortSignal.abort())).rejects.toThrow("aborted");
    const typed = ["a", "ar", "arg"].map((search) => {
      const typing = new AbortController();
      return { typing, answer: findPhotos(library, { search }, typing.signal) };
    });
    typed[0]?.typing.abort();
    typed[1]?.typing.abort();
    await expect(typed[0]?.answer).rejects.toThrow("aborted");
    await expect(typed[1]?.answer).rejects.toThrow("aborted");
    expect(await typed[2]?.answer).toEqual([id]);
    await rm(folder, { recursive: true });
  });
});

describe("the migration", () => {
  it("says of photos that were there before where they stand", async () => {
    const folder = await mkdtemp(join(tmpdir(), "autochrome-smart-"));
    const file = join(folder, "library.db");
    const old = new Sqlite(file);
    for (const { number, sql } of MIGRATIONS.filter((each) => each.number < 5)) {
      old.exec(sql);
      old.pragma(`user_version = ${number}`);
    }
    old.exec(`
      INSERT INTO photo (id, hash, path, name, name_key, size, mtime, format, width, height, bit_depth, colour, has_alpha,
        orientation, pages, is_mono, people, keywords, notes, imported_at)
      SELECT value, value, '/' || value, value, value, 1, 1, 'jpeg', 4, 3, 8, 'grey', 0, 1, 1, 1, '[]', '[]', '[]', ''
      FROM json_each('["plain", "failed", "coloured", "waiting"]');
      INSERT INTO batch VALUES ('b', 'active', 0, 'local', '{}', '', NULL);
      INSERT INTO batch_item (id, batch_id, position, turn, photo_id, source, target, state)
      VALUES ('1', 'b', 0, 0, 'failed', '', '', 'done'), ('2', 'b', 1, 1, 'failed', '', '', 'failed'),
        ('3', 'b', 2, 2, 'waiting', '', '', 'queued'), ('4', 'b', 3, 3, 'coloured', '', '', 'done'),
        ('5', 'b', 4, 4, NULL, '', '', 'failed');
      INSERT INTO version (id, photo_id, item_id, file, file_hash, width, height, format, source_hash, workflow, parameters,
        model_id, model_sha256, device, program, notes, created_at, review)
      VALUES ('v', 'coloured', '4', 'f', '', 1, 1, 'jpeg', '', '{}', '{}', '', '', '', '', '[]', '', 'accepted')`);
    old.close();
    const library = await openLibrary(folder);
    open.push(library);
    const ids = ["plain", "failed", "coloured", "waiting"];
    expect(readCards(library, ids).map((card) => card.state)).toEqual([
      "plain",
      "failed",
      "accepted",
      "working",
    ]);
    await expectTruth(library);
    await rm(folder, { recursive: true });
  });
});
