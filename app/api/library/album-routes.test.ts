import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { Photo } from "../../catalogue/index.ts";
import { newId } from "../../kernel/index.ts";
import { albumRoutes } from "./album-routes.ts";
import { type LibraryFacts, layoutSchema, librarySchema, photoDetailsSchema } from "./contract.ts";
import { photoRoutes } from "./photo-routes.ts";
import { createTestDesk, type TestDesk } from "./testing.ts";

let test: TestDesk;
let photos: readonly Photo[];

beforeAll(async () => {
  test = await createTestDesk((routes, desk) => {
    photoRoutes(routes, desk);
    albumRoutes(routes, desk);
  });
  photos = [...(await test.importSamples()).values()];
});
afterAll(() => test.close());
beforeEach(() => {
  test.events.length = 0;
});

async function albums(): Promise<LibraryFacts["albums"]> {
  return librarySchema.parse((await test.json("GET", "/library")).body).albums;
}

async function create(name: string): Promise<string> {
  const { status, body } = await test.json("POST", "/library/albums", { name });
  expect(status).toBe(200);
  return (body as { id: string }).id;
}

async function idsIn(query: string): Promise<string[]> {
  return layoutSchema.parse((await test.json("GET", `/library/layout?${query}`)).body).ids;
}

it("an album is made, filled, shown, renamed and deleted, and its photos stay", async () => {
  const id = await create("  Grand parents ");
  expect(await albums()).toEqual([{ id, name: "Grand parents", photos: 0 }]);
  const ids = photos.slice(0, 3).map((photo) => photo.id);
  const filled = await test.json("POST", `/library/albums/${id}/photos`, {
    add: [...ids, ...ids, newId(), "x"],
  });
  expect(filled).toEqual({ status: 200, body: { id, name: "Grand parents", photos: 3 } });
  const less = await test.json("POST", `/library/albums/${id}/photos`, { remove: [ids[1], "nobody"] });
  expect(less.body).toMatchObject({ photos: 2 });
  const left = [ids[0], ids[2]];
  expect(await idsIn(`album=${id}`)).toEqual(left);
  expect(await idsIn('search=album:"grand parents"')).toEqual(left);
  expect(await idsIn("search=相册:Grand")).toEqual(left);
  const { body } = await test.json("GET", `/library/photos/${ids[0]}`);
  expect(photoDetailsSchema.parse(body).albums).toEqual([{ id, name: "Grand parents" }]);
  const renamed = await test.json("PATCH", `/library/albums/${id}`, { name: "外婆家" });
  expect(renamed).toEqual({ status: 200, body: { id, name: "外婆家", photos: 2 } });
  expect((await test.ask("DELETE", `/library/albums/${id}`)).status).toBe(204);
  expect(await albums()).toEqual([]);
  expect(await idsIn("")).toHaveLength(photos.length);
  expect(test.events).toEqual(Array.from({ length: 5 }, () => ({ type: "library" })));
});

it("a name must be one, and its own", async () => {
  const first = await create("First");
  await create("Second");
  for (const name of ["First", "", "   ", "x".repeat(201)]) {
    expect((await test.ask("POST", "/library/albums", { name })).status, name).toBe(400);
  }
  expect((await test.ask("PATCH", `/library/albums/${first}`, { name: "Second" })).status).toBe(400);
  expect((await test.ask("PATCH", `/library/albums/${first}`, { name: "First", more: 1 })).status).toBe(400);
  const markup = await create('<img src=x onerror="alert(1)">');
  expect((await albums()).find((album) => album.id === markup)?.name).toBe('<img src=x onerror="alert(1)">');
});

it("an album that is not there is not found", async () => {
  for (const id of [newId(), "First", "%2fetc%2fpasswd", "'"]) {
    for (const [method, path, body] of [
      ["PATCH", `/library/albums/${id}`, { name: "x" }],
      ["DELETE", `/library/albums/${id}`, undefined],
      ["POST", `/library/albums/${id}/photos`, { add: [photos[0]?.id] }],
    ] as const) {
      expect(await test.json(method, path, body)).toMatchObject({
        status: 404,
        body: { error: { code: "not-found" } },
      });
    }
  }
  expect(test.events).toEqual([]);
});
