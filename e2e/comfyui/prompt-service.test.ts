// ComfyUI's clients against the real service: their scripts run unchanged and the photographs come out coloured.
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "@stable-canvas/comfyui-client";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { colourOf } from "../pictures.ts";
import { colouring, type Serving, serve, watch } from "./service.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const PRESET = here("../../workflows/DDColor人物黑白修复.json");
const hasPython = spawnSync("python3", ["-c", ""]).status === 0;

let folder: string;
let photo: Buffer;
let service: Serving;
let preset: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "autochrome-comfyui-"));
  photo = await sharp(here("../../main/demo/samples/photographer.jpg"))
    .resize(320)
    .greyscale()
    .jpeg()
    .toBuffer();
  preset = PRESET;
  service = await serve(join(folder, "library"));
});
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("the scripts of the field, in Python", () => {
  /** Runs a script. @returns what it printed, as JSON */
  async function python(script: string, ...args: string[]): Promise<unknown> {
    const child = spawn("python3", [here(script), service.host, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [out, problem] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      problem += text;
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(problem).toBe("");
    expect(code).toBe(0);
    return out === "" ? undefined : JSON.parse(out);
  }
  async function outFolder(): Promise<string> {
    return mkdtemp(join(folder, "out-"));
  }

  it("the source article's: upload input.jpg, queue the preset", async ({ skip }) => {
    skip(!hasPython, "python3 is not installed");
    await writeFile(join(folder, "photo.jpg"), photo);
    const { statuses, answers } = (await python("article.py", preset, join(folder, "photo.jpg"))) as {
      statuses: number[];
      answers: [{ name: string }, { prompt_id: string }];
    };
    expect(statuses).toEqual([200, 200]);
    expect(answers[0]).toEqual({ name: "input.jpg", subfolder: "", type: "input" });
    const entry = await service.finished(answers[1].prompt_id);
    expect(entry.status.status_str).toBe("success");
    expect(await colourOf(photo)).toBeLessThan(1);
    expect(await colourOf(await service.picture(entry))).toBeGreaterThan(3);
  });

  it("ComfyUI's basic example", async ({ skip }) => {
    skip(!hasPython, "python3 is not installed");
    const before = Object.keys(await service.history());
    await python("basic_example.py", preset);
    while ((await service.remaining()) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const added = Object.entries(await service.history()).filter(([id]) => !before.includes(id));
    expect(added.map(([, entry]) => entry.status.status_str)).toEqual(["success"]);
  });

  it("ComfyUI's websocket example", async ({ skip }) => {
    skip(!hasPython, "python3 is not installed");
    const out = await outFolder();
    const names = (await python("websocket_example.py", preset, out)) as string[];
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const picture = await readFile(join(out, name));
      expect((await sharp(picture).metadata()).width).toBe(320);
      expect(await colourOf(picture)).toBeGreaterThan(3);
    }
  });

  it("ComfyUI's example that gets its pictures through the WebSocket", async ({ skip }) => {
    skip(!hasPython, "python3 is not installed");
    const out = await outFolder();
    await service.upload("socket.jpg", photo);
    const { 3: _, ...rest } = colouring("socket.jpg");
    const node = { class_type: "SaveImageWebsocket", inputs: { images: ["2", 0] } };
    const graph = join(out, "graph.json");
    await writeFile(graph, JSON.stringify({ ...rest, save_image_websocket_node: node }));
    expect(await python("websocket_images.py", graph, out)).toEqual(["0.png"]);
    const picture = await readFile(join(out, "0.png"));
    expect(await sharp(picture).metadata()).toMatchObject({ format: "png", width: 320 });
    expect(await colourOf(picture)).toBeGreaterThan(3);
  });
});

describe("a client from npm", () => {
  it("uploads, queues, gets progress and previews, downloads, interrupts", async () => {
    const client = new Client({ api_host: service.host, WebSocket, fetch });
    await client.connect();
    try {
      const form = new FormData();
      form.set("image", new Blob([new Uint8Array(photo)]), "npm.jpg");
      const upload = await client.fetchApi("/upload/image", { method: "POST", body: form });
      expect(await upload.json()).toMatchObject({ name: "npm.jpg" });

      const looks: number[] = [];
      client.on("b_preview", (blob) => looks.push(blob.size));
      const progress: number[] = [];
      const result = await client.enqueue(colouring("npm.jpg"), {
        progress: ({ value, max }) => progress.push(value / max),
      });
      expect(progress.length).toBeGreaterThan(1);
      expect(looks.length).toBeGreaterThan(1);
      const image = result.images.find(({ type }) => type === "url"); // the client keeps previews as well
      if (image?.type !== "url") throw new Error("no picture");
      const picture = Buffer.from(await (await fetch(image.data)).arrayBuffer());
      expect(await colourOf(picture)).toBeGreaterThan(3);

      const waiting = [];
      for (let factor = 0; factor < 5; factor++) {
        waiting.push(
          await client._enqueue_prompt(colouring("npm.jpg", { size: 2048, factor: 0.1 + factor / 10 })),
        );
      }
      const [first, ...rest] = waiting.map(({ prompt_id }) => prompt_id);
      while ((await client.getQueue()).Running.length === 0)
        await new Promise((resolve) => setTimeout(resolve, 20));
      await client.interrupt();
      for (const id of rest) await client.deleteItem("queue", id);
      const entry = await service.finished(first!);
      expect(entry.status).toMatchObject({ status_str: "error", completed: false });
      expect(entry.status.messages.at(-1)?.[0]).toBe("execution_interrupted");
      expect((await client.getQueue()).Pending).toEqual([]);
    } finally {
      client.close();
    }
  });
});

describe("the work", () => {
  it("does not run the network again where only color_factor changed, and nothing where nothing changed", async () => {
    await service.upload("again.jpg", photo);
    const runs = () => service.metric('autochrome_network_answers_total{kind="run"}');
    const before = await runs();
    const first = await service.finished(await service.queue(colouring("again.jpg", { factor: 1 })));
    expect(await runs()).toBe(before + 1);
    const second = await service.finished(await service.queue(colouring("again.jpg", { factor: 0.5 })));
    expect(await runs()).toBe(before + 1);
    const [strong, weak] = [
      await colourOf(await service.picture(first)),
      await colourOf(await service.picture(second)),
    ];
    expect(weak).toBeGreaterThan(strong * 0.3);
    expect(weak).toBeLessThan(strong * 0.7);

    const files = await readdir(join(folder, "library", "service", "output"));
    const client = await watch(service.host, randomUUID());
    const id = await service.queue(colouring("again.jpg", { factor: 0.5 }), { client_id: client.clientId });
    await client.frame(({ type, data }) => type === "executing" && data.node === null);
    const mine = client.frames.filter(({ data }) => data.prompt_id === id && data.node !== null);
    expect(mine.find(({ type }) => type === "execution_cached")?.data.nodes).toEqual(["1", "2", "3"]);
    expect(mine.filter(({ type }) => type === "executing")).toEqual([]);
    expect(mine.find(({ type }) => type === "executed")?.data.output).toEqual(second.outputs["3"]);
    expect(await readdir(join(folder, "library", "service", "output"))).toEqual(files);
    client.close();
  });
});

describe("what cannot be run", () => {
  const sound = { 1: { class_type: "LoadImage", inputs: { image: "sound.png" } } };
  const save = (images: unknown, prefix: unknown = "x") => ({
    class_type: "SaveImage",
    inputs: { images, filename_prefix: prefix },
  });
  const invert = (image: unknown) => ({ class_type: "ImageInvert", inputs: { image } });
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [i, invert([String(i - 1), 0])]));
  const colour = (inputs: object) => {
    const graph = colouring("sound.png");
    return { ...graph, 2: { ...graph[2], inputs: { ...graph[2].inputs, ...inputs } } };
  };
  const refused: [string, string, unknown][] = [
    [
      "a cycle",
      "dependency_cycle",
      { prompt: { 1: invert(["2", 0]), 2: invert(["1", 0]), 3: save(["2", 0]) } },
    ],
    [
      "a node that is linked to itself",
      "dependency_cycle",
      { prompt: { 1: invert(["1", 0]), 3: save(["1", 0]) } },
    ],
    ["a link to a missing node", "exception_during_validation", { prompt: { ...sound, 3: save(["9", 0]) } }],
    [
      "a link to a missing output",
      "exception_during_validation",
      { prompt: { ...sound, 3: save(["1", 9]) } },
    ],
    ["a link to the wrong type", "return_type_mismatch", { prompt: { ...sound, 3: save(["1", 1]) } }],
    ["a text for a number", "invalid_input_type", { prompt: colour({ model_size: "large" }) }],
    ["a number out of range", "value_bigger_than_max", { prompt: colour({ color_factor: 7 }) }],
    ["a model that is not there", "value_not_in_list", { prompt: colour({ model: "none" }) }],
    ["an unknown class", "missing_node_type", { prompt: { 1: { class_type: "Nothing", inputs: {} } } }],
    ["no outputs", "prompt_no_outputs", { prompt: sound }],
    ["a picture that is not there", "custom_validation_failed", { prompt: colouring("nowhere.png") }],
    [
      "a picture outside of the input folder",
      "custom_validation_failed",
      { prompt: colouring("../../library.db") },
    ],
    ["100,000 nodes", "prompt_too_large", { prompt: { ...many, 100000: save(["99999", 0]) } }],
    ["an empty graph", "prompt_no_outputs", { prompt: {} }],
    ["no graph", "no_prompt", {}],
    ["malformed JSON", "invalid_json", '{"prompt": {'],
  ];

  it.each(refused)("is refused: %s (%s)", async (_, type, body) => {
    await service.upload("sound.png", await sharp(photo).resize(16).png().toBuffer());
    const before = [await service.json("/queue"), await service.history()];
    const response = await service.post("/prompt", body);
    expect(response.status).toBe(400);
    const answer = await response.json();
    expect(answer).toMatchObject({
      error: { type: expect.any(String), message: expect.any(String), details: expect.any(String) },
      node_errors: expect.any(Object),
    });
    expect(JSON.stringify(answer)).toContain(`"type":"${type}"`);
    expect([await service.json("/queue"), await service.history()]).toEqual(before);
  });

  it("what leads out of the output folder is not written", async () => {
    const graph = colouring("sound.png");
    for (const prefix of ["../escaped", "/tmp/escaped", "a/../../escaped", "..\\escaped"]) {
      const response = await service.post("/prompt", { prompt: { ...graph, 3: save(["2", 0], prefix) } });
      if (response.status === 400) continue; // as good as a failed run
      const { prompt_id } = (await response.json()) as { prompt_id: string };
      expect((await service.finished(prompt_id)).status.status_str).toBe("error");
    }
    const files = await readdir(folder, { recursive: true });
    expect(files.filter((name) => name.includes("escaped"))).toEqual([]);
  });
});
