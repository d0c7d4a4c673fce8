// An engine that is none: it answers the window with made-up libraries of any size, so that the window alone can be looked
// at and measured. Photos are the samples of the demo; tinted ones stand for what was made of them.
//
// Owns: nothing but memory. Must never: be used where the real engine can be, or be trusted about what the engine does.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { rgbaToThumbHash } from "thumbhash";
import type { LibraryEvent, PhotoCard, PhotoState } from "../../app/api/library/contract.ts";

const SAMPLES = fileURLToPath(new URL("../../main/demo/samples/", import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export interface StandIn {
  readonly address: string;
  /** Addresses that were asked for, in order. */
  readonly asked: readonly string[];
  publish(event: LibraryEvent): void;
  close(): Promise<void>;
}
interface Sample {
  readonly name: string;
  readonly ratio: number;
  readonly grey: Buffer;
  readonly colour: Buffer;
  readonly blur: string;
}

/**
 * @param bundle folder of the window's bundle
 * @param count photos of the library
 * @param delayMs how long each answer takes at least
 */
export async function startStandIn(bundle: string, count: number, delayMs = 0): Promise<StandIn> {
  const samples = await readSamples();
  const photos = new Map(
    Array.from({ length: count }, (_, at) => photoAt(at, count, samples)).map((one) => [one.id, one]),
  );
  const albums = new Map<string, { id: string; name: string; photos: Set<string> }>();
  const asked: string[] = [];
  const windows = new Set<ServerResponse>();
  let memory: Record<string, unknown> = { isSettled: true };
  const publish = (event: LibraryEvent) => {
    for (const one of windows) one.write(`data: ${JSON.stringify(event)}\n\n`);
  };
  const addAlbum = (name: string, ids: Iterable<string>) => {
    const id = `album${albums.size + 1}`;
    albums.set(id, { id, name, photos: new Set(ids) });
    return { id };
  };
  const all = [...photos.keys()];
  if (count > 0) {
    addAlbum(
      "Grandmother’s box",
      all.filter((_, at) => at % 9 === 0),
    );
    addAlbum("Summer 1936", all.slice(0, 12));
  }
  const cardOf = ({ sample: _, ...card }: Photo): PhotoCard => card;
  const find = (query: URLSearchParams) => {
    const words = (query.get("search") ?? "").toLowerCase();
    const [, from = "", to = from] = /year:(\d+)(?:\.\.(\d+))?/.exec(words) ?? [];
    const free = words.replace(/\S+:\S+/g, "").trim();
    const album = albums.get(query.get("album") ?? "");
    const states: Readonly<Record<string, PhotoState>> = {
      toColour: "plain",
      toReview: "review",
      accepted: "accepted",
      failed: "failed",
    };
    const state = states[query.get("smart") ?? ""];
    const found = [...photos.values()].filter(
      (one) =>
        (album === undefined || album.photos.has(one.id)) &&
        (state === undefined || one.state === state) &&
        (from === "" ||
          (one.takenAt !== undefined && one.takenAt.slice(0, 4) >= from && one.takenAt.slice(0, 4) <= to)) &&
        (free === "" || `${one.title ?? ""} ${one.name}`.toLowerCase().includes(free)),
    );
    if (query.get("sort") === "name") found.sort((a, b) => a.name.localeCompare(b.name));
    return query.get("descending") === "true" ? found.reverse() : found;
  };
  const layoutOf = (query: URLSearchParams) => {
    const found = find(query);
    const headings: { at: number; text: string }[] = [];
    if (query.get("sort") === "taken") {
      for (const [at, { takenAt = "" }] of found.entries()) {
        const text = takenAt.slice(0, 4);
        if (headings.at(-1)?.text !== text || at === 0) headings.push({ at, text });
      }
    }
    return {
      ids: found.map(({ id }) => id),
      ratios: found.map(({ sample }) => Math.round(sample.ratio * 1000)),
      headings,
      hints: [],
    };
  };
  const counted = (state: PhotoState) => [...photos.values()].filter((one) => one.state === state).length;
  const decades = () => {
    const numbers = new Map<number | null, number>();
    for (const { takenAt } of photos.values()) {
      const decade = takenAt === undefined ? null : Math.floor(Number(takenAt.slice(0, 4)) / 10) * 10;
      numbers.set(decade, (numbers.get(decade) ?? 0) + 1);
    }
    return [...numbers].map(([decade, number]) => ({ decade, photos: number }));
  };
  const detailsOf = (id: string) => {
    const photo = photos.get(id);
    if (photo === undefined) return undefined;
    const { more, ...card } = { more: photo.more, ...cardOf(photo) };
    return {
      ...card,
      path: `/home/anna/Pictures/Archive/${photo.name}`,
      copies: [],
      size: 4_210_345,
      format: "tiff",
      bitDepth: 16,
      pages: 1,
      hash: createHash("sha256").update(id).digest("hex"),
      people: [],
      keywords: [],
      importedAt: "2026-11-20T10:00:00Z",
      notes: [],
      albums: [...albums.values()]
        .filter((one) => one.photos.has(id))
        .map(({ id: album, name }) => ({ id: album, name })),
      allVersions: photo.version === undefined ? [] : [versionOf(photo)],
      ...more,
    };
  };

  async function answer(request: IncomingMessage, url: URL): Promise<unknown> {
    const [, , kind = "", id = "", part = ""] = url.pathname.split("/");
    const what = `${request.method} ${kind}${id === "" ? "" : "/"}${part === "" ? "" : `/${part}`}`;
    const body = request.method === "GET" ? undefined : await bodyOf(request);
    const album = albums.get(id);
    switch (what) {
      case "GET ":
        return {
          folder: "/home/anna/Pictures/Autochrome",
          photos: photos.size,
          missing: 0,
          smart: {
            toColour: counted("plain"),
            toReview: counted("review"),
            accepted: counted("accepted"),
            failed: counted("failed"),
          },
          albums: [...albums.values()].map((one) => ({ ...one, photos: one.photos.size })),
          warnings: [],
          version: "0",
        };
      case "GET layout":
        return layoutOf(url.searchParams);
      case "GET photos":
        return {
          photos: (url.searchParams.get("ids") ?? "").split(",").flatMap((one) => {
            const photo = photos.get(one);
            return photo === undefined ? [] : [cardOf(photo)];
          }),
        };
      case "GET photos/":
        return detailsOf(id);
      case "PATCH photos/": {
        const photo = photos.get(id);
        if (photo === undefined) return undefined;
        const change = Object.entries(body ?? {}).map(([key, value]) => [key, value ?? undefined]);
        photos.set(id, {
          ...photo,
          ...Object.fromEntries(change),
          more: { ...photo.more, ...Object.fromEntries(change) },
        });
        publish({ type: "photos", ids: [id] });
        return detailsOf(id);
      }
      case "DELETE photos/":
        photos.delete(id);
        publish({ type: "photos", ids: [id] });
        return {};
      case "GET timeline":
        return { decades: decades() };
      case "POST albums":
        return addAlbum(String(body?.name), []);
      case "PATCH albums/":
        if (album !== undefined) albums.set(id, { ...album, name: String(body?.name) });
        return album;
      case "DELETE albums/":
        albums.delete(id);
        return album;
      case "POST albums//photos":
        for (const one of asList(body?.add)) album?.photos.add(one);
        for (const one of asList(body?.remove)) album?.photos.delete(one);
        return album;
      case "GET folders":
        return {
          path: url.searchParams.get("path") ?? "/home/anna",
          parent: "/home",
          folders: ["Archive", "Pictures", "Scans 2024"].map((name) => ({
            name,
            path: `/home/anna/${name}`,
          })),
          photos: 24,
        };
      case "GET window":
        return memory;
      case "PATCH window":
        memory = { ...memory, ...body };
        return memory;
      case "GET sessions":
        return { sessions: [] };
      case "GET batches":
        return { batches: [] };
      case "GET jobs":
        return { jobs: [] };
      case "GET watched":
        return { folders: [] };
      case "POST imports":
      case "POST exports":
        return { job: "job1" };
      default:
        return undefined;
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (!url.pathname.startsWith("/library")) return sendFile(bundle, url.pathname, response);
    asked.push(`${request.method} ${url.pathname}${url.search}`);
    if (url.pathname === "/library/events") {
      response.writeHead(200, { "Content-Type": "text/event-stream" }).write(":\n\n");
      windows.add(response);
      request.on("close", () => windows.delete(response));
      return;
    }
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    const picture = /^\/library\/(photos|versions)\/(\w+)\/(thumbnail|picture)/.exec(url.pathname);
    if (picture !== null) {
      const [, kind, id = ""] = picture;
      const sample = photos.get(id.replace(/^v/, ""))?.sample;
      response.writeHead(sample === undefined ? 404 : 200, {
        "Content-Type": "image/webp",
        "Cache-Control": "private, max-age=31536000, immutable",
      });
      response.end(kind === "photos" ? sample?.grey : sample?.colour);
      return;
    }
    const value = await answer(request, url);
    response.writeHead(value === undefined ? 404 : 200, { "Content-Type": "application/json" });
    response.end(
      JSON.stringify(
        value ?? { error: { code: "not-found", message: "It is not there.", next: "Look elsewhere." } },
      ),
    );
  }

  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    address: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    asked,
    publish,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Photo = PhotoCard & { readonly sample: Sample; readonly more?: Record<string, unknown> };

async function readSamples(): Promise<Sample[]> {
  const names = (await readdir(SAMPLES)).filter((name) => name.endsWith(".jpg"));
  return Promise.all(
    names.map(async (name) => {
      const image = sharp(await readFile(join(SAMPLES, name))).resize(512, 512, { fit: "inside" });
      const colour = await image
        .clone()
        .pipelineColourspace("srgb") // samples are of one channel
        .tint("#d9a066")
        .toColourspace("srgb")
        .webp()
        .toBuffer({ resolveWithObject: true });
      const grey = await image.clone().greyscale().webp().toBuffer();
      const small = await sharp(grey)
        .resize(100, 100, { fit: "inside" })
        .ensureAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      return {
        name,
        ratio: colour.info.width / colour.info.height,
        grey,
        colour: colour.data,
        blur: Buffer.from(rgbaToThumbHash(small.info.width, small.info.height, small.data)).toString(
          "base64",
        ),
      };
    }),
  );
}

/** By time: the same library each time, undated photos last. */
function photoAt(at: number, count: number, samples: readonly Sample[]): Photo {
  const sample = samples[(at * 5 + (at >> 3)) % samples.length]!;
  const year = 1890 + Math.floor((at / count) * 80);
  const state =
    (["plain", "plain", "review", "accepted", "plain", "failed", "working"] as const)[at % 7] ?? "plain";
  const isMade = state === "review" || state === "accepted";
  const id = at.toString(32).padStart(26, "0");
  return {
    id,
    name: `scan ${String(at + 1).padStart(5, "0")}.tif`,
    ...(at % 3 === 0 ? { title: sample.name.replace(".jpg", "").replaceAll("-", " ") } : {}),
    width: Math.round(sample.ratio * 3000),
    height: 3000,
    isMono: true,
    isMissing: false,
    ...(at > count * 0.97 ? {} : { takenAt: at % 2 === 0 ? String(year) : `${year}-02` }),
    ...(at % 11 === 3 ? { rating: 4 } : {}),
    state,
    ...(isMade ? { version: `v${id}` } : {}),
    versions: isMade ? 1 : 0,
    blur: sample.blur,
    sample,
  };
}

function versionOf(photo: Photo) {
  return {
    id: photo.version ?? "",
    photo: photo.id,
    width: photo.width,
    height: photo.height,
    format: "tiff",
    createdAt: "2026-11-21T10:00:00Z",
    model: "ddcolor_modelscope",
    modelSha256: "0".repeat(64),
    device: "CPU",
    program: "0",
    isTunable: true,
    tune: {},
    review: photo.state === "accepted" ? "accepted" : "undecided",
    notes: [],
  };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined; // a form with files
  }
}

const asList = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

async function sendFile(folder: string, path: string, response: ServerResponse): Promise<void> {
  const name = path === "/" ? "index.html" : path.slice(1);
  const content = name.includes("..") ? undefined : await readFile(join(folder, name)).catch(() => undefined);
  response.writeHead(content === undefined ? 404 : 200, {
    "Content-Type": TYPES[extname(name)] ?? "text/plain",
  });
  response.end(content);
}
