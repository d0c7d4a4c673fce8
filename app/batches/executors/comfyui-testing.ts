// A stand-in for a stock ComfyUI: its routes, its habits (PNG only, no metadata, prompt ids that may come twice), and
// pictures that are a little red instead of coloured. For tests. Must never: be imported by anything but tests.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import sharp from "sharp";
import { z } from "zod";

/** What becomes of a prompt. */
export type Fate = "success" | "error" | "interrupted" | "never";

export interface StockServer {
  readonly url: string;
  /** "POST /prompt", in the order of their coming. */
  readonly requests: string[];
  /** Names and bytes of what was uploaded whole, "subfolder/name". */
  readonly uploads: Map<string, Buffer>;
  /** All graphs that were ever queued, with their ids. */
  readonly queued: { readonly id: string; readonly graph: Graph; readonly targets: unknown }[];
  /** Decides about the next prompts. */
  fate: Fate;
  /** Answers instead of the server; undefined lets it answer. */
  spoil: (request: string) => number | "cut" | undefined;
  /** Prompts whose end is not known yet. */
  open(): string[];
  /** Gives waiting prompts their fate. */
  settle(): Promise<void>;
  /** As after a restart. */
  forgetAll(): void;
  stop(): Promise<void>;
}

const graphSchema = z.record(
  z.string(),
  z.object({ class_type: z.string(), inputs: z.record(z.string(), z.unknown()) }),
);
type Graph = z.infer<typeof graphSchema>;
const promptSchema = z.looseObject({
  prompt: graphSchema,
  prompt_id: z.string(),
  extra_data: z.unknown(),
  partial_execution_targets: z.unknown().optional(),
});

const COMBO = (names: readonly string[]) => [names, { tooltip: "choose" }];
export const CHECKPOINTS = ["ddcolor_modelscope.pth", "ddcolor_paper_tiny.pth"];
const NODES: Readonly<Record<string, object>> = {
  LoadImage: { required: { image: COMBO(["example.png"]) } },
  DDColor_Colorize: {
    required: { image: ["IMAGE"], model_input_size: ["INT", { min: 32 }], checkpoint: COMBO(CHECKPOINTS) },
  },
  ImageScale: {
    required: {
      image: ["IMAGE"],
      upscale_method: ["COMBO", { options: ["area", "lanczos"] }],
      width: ["INT", {}],
      height: ["INT", {}],
      crop: ["COMBO", { options: ["disabled", "center"] }],
    },
  },
  SaveImage: {
    required: { images: ["IMAGE"], filename_prefix: ["STRING", { default: "ComfyUI" }] },
    hidden: { prompt: "PROMPT" },
  },
};

export async function startStockServer(): Promise<StockServer> {
  const outputs = new Map<string, Buffer>();
  const history = new Map<string, object>();
  let pending: { id: string; graph: Graph; extra: unknown }[] = [];
  let working = Promise.resolve();

  async function settleOne({ id, graph }: (typeof pending)[number]): Promise<void> {
    const { fate } = stock;
    const message = (event: string, data: object = {}) => [event, { prompt_id: id, ...data }];
    const status = (status_str: string, last: unknown) => ({
      status_str,
      completed: status_str === "success",
      messages: [message("execution_start"), last],
    });
    if (fate === "error") {
      const told = { node_type: "DDColor_Colorize", exception_type: "ValueError" };
      const error = message("execution_error", {
        ...told,
        exception_message: "bad weights\nTips: read the docs",
      });
      history.set(id, { outputs: {}, status: status("error", error) });
    } else if (fate === "interrupted") {
      history.set(id, { outputs: {}, status: status("error", message("execution_interrupted")) });
    } else {
      const loaded = Object.values(graph).find((node) => node.class_type === "LoadImage");
      const [saver, save] = Object.entries(graph).find(([, node]) => node.class_type === "SaveImage")!;
      const bytes = stock.uploads.get(String(loaded?.inputs.image));
      const [folder, prefix] = String(save.inputs.filename_prefix).split("/");
      const picture = { filename: `${prefix}_00001_.png`, subfolder: folder, type: "output" };
      outputs.set(`${folder}/${picture.filename}`, await reddened(bytes ?? Buffer.alloc(0), graph));
      const images = { [saver]: { images: [picture] } };
      history.set(id, { outputs: images, status: status("success", message("execution_success")) });
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://stock");
    const name = `${request.method} ${url.pathname}`;
    stock.requests.push(name);
    const spoilt = stock.spoil(name);
    const body = await bodyOf(request).catch(() => undefined);
    if (body === undefined) return;
    const json = (value: unknown, status = 200) =>
      spoilt === "cut" ? response.destroy() : response.writeHead(status).end(JSON.stringify(value));
    const nothing = (status: number) =>
      spoilt === "cut" ? response.destroy() : response.writeHead(status).end();
    if (typeof spoilt === "number") return void nothing(spoilt);
    const [, first, second] = url.pathname.split("/");
    switch (`${request.method} /${first}`) {
      case "GET /system_stats":
        return void json({ system: { comfyui_version: "0.3.64" }, devices: [{ name: "cuda:0 Some GPU" }] });
      case "GET /features":
        return void json({ max_upload_size: 1_000_000 });
      case "GET /object_info": {
        const input = NODES[second ?? ""];
        return void json(input === undefined ? {} : { [second ?? ""]: { input, output: ["IMAGE"] } });
      }
      case "POST /upload": {
        const form = await new Response(new Uint8Array(body), {
          headers: { "content-type": request.headers["content-type"] ?? "" },
        }).formData();
        const file = form.get("image");
        if (!(file instanceof File)) return void nothing(400);
        const subfolder = String(form.get("subfolder") ?? "");
        stock.uploads.set(`${subfolder}/${file.name}`, Buffer.from(await file.arrayBuffer()));
        return void json({ name: file.name, subfolder, type: "input" });
      }
      case "HEAD /view":
      case "GET /view": {
        const key = `${url.searchParams.get("subfolder")}/${url.searchParams.get("filename")}`;
        const bytes = (url.searchParams.get("type") === "input" ? stock.uploads : outputs).get(key);
        if (bytes === undefined || spoilt === "cut") return void nothing(404);
        response.writeHead(200, { "Content-Length": bytes.length });
        return void response.end(request.method === "HEAD" ? undefined : bytes);
      }
      case "POST /prompt": {
        const {
          prompt: graph,
          prompt_id: id,
          extra_data: extra,
          partial_execution_targets: targets,
        } = promptSchema.parse(JSON.parse(body.toString()));
        stock.queued.push({ id, graph, targets });
        pending.push({ id, graph, extra });
        if (stock.fate !== "never") void stock.settle();
        return void json({ prompt_id: id, number: 0, node_errors: {} });
      }
      case "GET /queue":
        return void json({
          queue_running: pending.slice(0, 1).map(({ id, graph, extra }) => [0, id, graph, extra, []]),
          queue_pending: pending.slice(1).map(({ id, graph, extra }) => [0, id, graph, extra, []]),
        });
      case "POST /queue": {
        const { delete: ids } = z.object({ delete: z.array(z.string()) }).parse(JSON.parse(body.toString()));
        pending = pending.filter(({ id }, place) => place === 0 || !ids.includes(id));
        return void nothing(200);
      }
      case "POST /interrupt": {
        pending.shift(); // whatever runs, as old ones do
        return void nothing(200);
      }
      case "GET /history":
        return void json(history.has(second ?? "") ? { [second ?? ""]: history.get(second ?? "") } : {});
      case "POST /history": {
        const { delete: ids } = z.object({ delete: z.array(z.string()) }).parse(JSON.parse(body.toString()));
        for (const id of ids) history.delete(id);
        return void nothing(200);
      }
    }
    nothing(404);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stock: StockServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    uploads: new Map(),
    queued: [],
    fate: "success",
    spoil: () => undefined,
    open: () => pending.map(({ id }) => id),
    settle() {
      working = working.then(async () => {
        const [next] = pending;
        if (next !== undefined) await settleOne(next);
        pending = pending.filter((prompt) => prompt !== next);
      });
      return working;
    },
    forgetAll() {
      pending = [];
      history.clear();
    },
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return stock;
}

/** ComfyUI's SaveImage: 8 bits, no profile, no metadata but the graph. */
async function reddened(bytes: Buffer, graph: Graph): Promise<Buffer> {
  const upright = sharp(bytes).rotate().toColourspace("srgb").removeAlpha();
  const { data, info } = await upright.raw().toBuffer({ resolveWithObject: true });
  for (let i = 0; i < data.length; i += info.channels) data[i] = Math.min(255, data[i]! + 40);
  const raw = { width: info.width, height: info.height, channels: info.channels };
  return sharp(data, { raw })
    .png()
    .withExif({ IFD0: { ImageDescription: JSON.stringify(graph).slice(0, 100) } })
    .toBuffer();
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}
