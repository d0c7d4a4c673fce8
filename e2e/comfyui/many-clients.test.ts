// A hundred prompts from ten clients at once: all finish, each client sees only its own, memory stays flat, and a kill
// in the middle loses nothing and does nothing twice.
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, expect, it } from "vitest";
import { colouring, type Frame, type Serving, serve, type Watching, watch } from "./service.ts";

const CLIENTS = 10;
const EACH = 10;
/**
 * What the service's memory may grow by from the 20th to the 100th prompt. V8 and malloc take room until their first full
 * collections: 70 MiB were measured here, and over 1500 prompts 200 MiB, all of it before the 1200th.
 */
const GROWTH = 128 * 1024 * 1024;

let folder: string;
let service: Serving;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-clients-"));
  service = await serve(folder);
  for (let i = 0; i < CLIENTS; i++) {
    const background = { r: 20 * i, g: 20 * i, b: 20 * i };
    const noise = { type: "gaussian" as const, mean: 128, sigma: 40 };
    const picture = sharp({ create: { width: 96, height: 64, channels: 3, background, noise } });
    await service.upload(`${i}.png`, await picture.greyscale().png().toBuffer());
  }
});
afterEach(async () => {
  await service.stop();
  await rm(folder, { recursive: true, force: true });
});

/** All clients queue at once. @returns ids by client */
async function queueAll(clients: readonly Watching[]): Promise<Map<Watching, string[]>> {
  const ids = new Map<Watching, string[]>(clients.map((client) => [client, []]));
  await Promise.all(
    clients.map(async (client, number) => {
      for (let i = 0; i < EACH; i++) {
        // No two prompts are alike, so that each is work.
        const graph = colouring(`${number}.png`, { factor: (1 + i) / EACH });
        ids.get(client)!.push(await service.queue(graph, { client_id: client.clientId }));
      }
    }),
  );
  return ids;
}
const connectAll = (ids: readonly string[]) => Promise.all(ids.map((id) => watch(service.host, id)));
const ended = (client: Watching) => client.frames.filter(({ type }) => type === "execution_success");
const idsOf = (frames: Watching["frames"]) => frames.map(({ data }) => data.prompt_id);
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

it("all finish, each client sees only its own, memory stays flat", async () => {
  const clients = await connectAll(Array.from({ length: CLIENTS }, () => randomUUID()));
  const ids = await queueAll(clients);
  const all = [...ids.values()].flat();
  const memory: number[] = [];
  for (let done = 0; done < all.length; await pause()) {
    done = clients.reduce((sum, client) => sum + ended(client).length, 0);
    if (done >= 20) memory.push(await service.memory());
  }
  for (const client of clients) {
    const own = ids.get(client)!;
    const isLast = ({ type, data }: Frame) =>
      type === "executing" && data.node === null && data.prompt_id === own.at(-1);
    await client.frame(isLast);
    expect(idsOf(ended(client))).toEqual(own);
    const about = new Set(idsOf(client.frames.filter(({ type }) => type !== "status")));
    expect(about).toEqual(new Set(own));
    expect(client.pictures.length).toBeGreaterThanOrEqual(own.length);
  }
  const history = await service.history();
  expect(all.map((id) => history[id]?.status.status_str)).toEqual(all.map(() => "success"));
  expect(await service.remaining()).toBe(0);
  expect(Math.max(...memory) - memory[0]!).toBeLessThan(GROWTH);
  for (const client of clients) client.close();
});

it("a kill in the middle loses none and finishes none twice", async () => {
  const names = Array.from({ length: CLIENTS }, () => randomUUID());
  const before = await connectAll(names);
  const all = [...(await queueAll(before)).values()].flat();
  while (before.reduce((sum, client) => sum + ended(client).length, 0) < 20) await pause();
  await service.kill();
  const first = before.flatMap((client) => idsOf(ended(client)));
  expect(first.length).toBeLessThan(all.length);

  service = await serve(folder);
  const after = await connectAll(names);
  while ((await service.remaining()) > 0) await pause();
  const history = await service.history();
  expect(Object.keys(history).sort()).toEqual([...all].sort());
  expect(new Set(Object.values(history).map(({ status }) => status.status_str))).toEqual(
    new Set(["success"]),
  );
  await Promise.all(
    after.map((client) =>
      client.frame(
        ({ type, data }) => type === "status" && JSON.stringify(data).includes('"queue_remaining":0'),
      ),
    ),
  );
  const second = after.flatMap((client) => idsOf(ended(client)));
  expect(first.filter((id) => second.includes(id))).toEqual([]);
  expect(new Set([...first, ...second]).size).toBe(first.length + second.length);
  for (const entry of Object.values(history)) {
    expect(await sharp(await service.picture(entry)).metadata()).toMatchObject({ width: 96, height: 64 });
  }
  for (const client of after) client.close();
});
