import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PixelWorkers } from "../imaging/index.ts";
import { newId } from "../kernel/index.ts";
import { listPhotos } from "./pages.ts";
import {
  changeSession,
  createSession,
  deleteSession,
  getSession,
  listSessions,
  sessionPhotos,
} from "./sessions.ts";
import { createScene, createTestWorkers, type Scene } from "./testing.ts";
import { insertVersion, reviewVersion } from "./versions.ts";
import { listWatched, setWatched } from "./watched.ts";

let workers: PixelWorkers;
let scene: Scene;
let ids: string[];

beforeAll(() => {
  workers = createTestWorkers();
});
afterAll(() => workers.close());
beforeEach(async () => {
  scene = await createScene(workers);
  for (const shade of [10, 60, 110]) await scene.picture(`${shade}.jpg`, shade);
  await scene.import();
  ids = listPhotos(scene.library).photos.map(({ id }) => id);
});
afterEach(() => scene.close());

function version(photoId: string): string {
  const id = newId();
  insertVersion(scene.library.db, {
    ...{ id, photoId, itemId: newId(), file: `versions/${id}.jpg`, fileHash: "", width: 1, height: 1 },
    ...{ format: "jpeg", chroma: undefined, sourceHash: "", workflow: {}, parameters: {}, modelId: "none" },
    ...{ modelSha256: "", device: "cpu", program: "test", notes: [], createdAt: new Date().toISOString() },
  });
  return id;
}

describe("sessions", () => {
  it("keep their photos in the order in which they were chosen, each once", () => {
    const { library } = scene;
    const [a = "", b = "", c = ""] = ids;
    const { id } = createSession(library, { name: "Müller", note: "", photos: [c, a, c, b, a] });
    expect(sessionPhotos(library, id)).toEqual([c, a, b]);
    changeSession(library, id, { photos: [b, c] });
    expect(sessionPhotos(library, id)).toEqual([b, c]);
  });

  it("count their photos by what was decided about the versions", () => {
    const { library } = scene;
    const [a = "", b = "", c = ""] = ids;
    const { id } = createSession(library, { name: "x", note: "", photos: ids });
    const counts = () => {
      const { undecided, accepted, rejected } = getSession(library, id);
      return { undecided, accepted, rejected };
    };
    expect(counts()).toEqual({ undecided: 3, accepted: 0, rejected: 0 });
    const [first, second] = [version(a), version(a)];
    reviewVersion(library.db, first, "rejected");
    expect(counts()).toEqual({ undecided: 3, accepted: 0, rejected: 0 });
    reviewVersion(library.db, second, "rejected");
    expect(counts()).toEqual({ undecided: 2, accepted: 0, rejected: 1 });
    reviewVersion(library.db, second, "accepted");
    reviewVersion(library.db, version(b), "rejected");
    version(c);
    expect(counts()).toEqual({ undecided: 1, accepted: 1, rejected: 1 });
  });

  it("are listed newest first, changed and deleted; their photos stay", () => {
    const { library } = scene;
    const one = createSession(library, { name: "one", note: "first", photos: ids });
    const two = createSession(library, { name: "two", note: "", photos: [] });
    expect(listSessions(library).map(({ name, photos }) => [name, photos])).toEqual([
      ["two", 0],
      ["one", 3],
    ]);
    expect(changeSession(library, one.id, { name: "renamed" })).toMatchObject({
      name: "renamed",
      note: "first",
    });
    deleteSession(library, two.id);
    expect(listSessions(library).map(({ id }) => id)).toEqual([one.id]);
    deleteSession(library, one.id);
    expect(listPhotos(library).photos.length).toBe(3);
    for (const act of [getSession, deleteSession, sessionPhotos]) {
      expect(() => act(library, one.id)).toThrow(expect.objectContaining({ code: "not-found" }));
    }
  });

  it("with a photo that is not there change nothing", () => {
    const { library } = scene;
    const session = createSession(library, { name: "x", note: "", photos: ids });
    const photos = [ids[0]!, "nobody"];
    expect(() => changeSession(library, session.id, { name: "y", photos })).toThrow(/not in the library/);
    expect(() => createSession(library, { name: "z", note: "", photos })).toThrow(/not in the library/);
    expect(listSessions(library)).toEqual([session]);
    expect(sessionPhotos(library, session.id)).toEqual(ids);
  });
});

describe("watched folders", () => {
  it("are kept in their order, each path once", () => {
    const { library } = scene;
    setWatched(library, [
      { path: "/b", album: "B" },
      { path: "/a", album: undefined },
      { path: "/b", album: "Other" },
    ]);
    expect(listWatched(library)).toEqual([
      { path: "/b", album: "Other" },
      { path: "/a", album: undefined },
    ]);
    setWatched(library, []);
    expect(listWatched(library)).toEqual([]);
  });
});
