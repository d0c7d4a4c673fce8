// A picture through a network, tile by tile: a row of tiles is cut in a pixel worker, run in the inference process, and
// the rows of the result that are settled by it are composed in a pixel worker.
//
// Owns: the scratch files in between. Must never: touch a pixel: this is the engine's own thread.
import { unlink } from "node:fs/promises";
import type { ImageModel } from "../../colorize/index.ts";
import {
  descriptionOf,
  type Making,
  type Picture,
  type PixelWriter,
  type Samples,
  stripRows,
  writePixels,
} from "../../imaging/index.ts";
import { AutochromeError } from "../../kernel/index.ts";
import type { EngineContext } from "../node.ts";
import type { ComposeInput } from "./compose.ts";
import type { CutInput } from "./cut.ts";
import type { EnlargeInput } from "./enlarge.ts";
import { type Side, settledBy, tilesAlong } from "./grid.ts";

const CUT = new URL("./cut.ts", import.meta.url).href;
const COMPOSE = new URL("./compose.ts", import.meta.url).href;
const ENLARGE = new URL("./enlarge.ts", import.meta.url).href;

/** Sides of tiles are multiples of it where a picture is smaller than a tile: many networks want that. */
const MULTIPLE = 64;

export interface TileOptions {
  /** Side of a tile, in pixels; networks of a fixed size have their own. */
  readonly tile: number;
  /** Of neighbours, in pixels. */
  readonly overlap: number;
  /** 0–1. */
  readonly strength: number;
}

/** How a picture is divided. */
export interface Plan {
  readonly columns: Side;
  readonly rows: Side;
  readonly tiles: number;
}

export function planFor(picture: Picture, model: ImageModel, { tile, overlap }: TileOptions): Plan {
  const side = (length: number, fixed: number | undefined) =>
    tilesAlong(length, fixed ?? Math.min(tile, Math.ceil(length / MULTIPLE) * MULTIPLE), overlap);
  const columns = side(picture.width, model.width);
  const rows = side(picture.height, model.height);
  return { columns, rows, tiles: columns.starts.length * rows.starts.length };
}

/** What is known once the first tile has shown how much larger the result is. */
interface Result {
  readonly scale: number;
  readonly shape: Omit<Picture, "data">;
  readonly base: Picture | undefined;
  readonly writer: PixelWriter<Picture>;
}

/**
 * @param onTile is called after each tile
 * @throws AutochromeError "image-too-large", and what the model throws; an abort rejects with the signal's reason
 */
export async function runTiles(
  picture: Picture,
  model: ImageModel,
  plan: Plan,
  options: TileOptions,
  context: EngineContext,
  onTile: () => void,
): Promise<Picture> {
  const { signal } = context;
  const { columns, rows } = plan;
  const { channels } = model;
  const files = new Set<string>();
  const scratch = (extension: string) => {
    const path = context.scratch(extension);
    files.add(path);
    return path;
  };
  const work = <Output>(module: string, input: CutInput | ComposeInput | EnlargeInput) =>
    context.pixels<Output>(module, input, model.name, { signal });

  const input = scratch(".f32");
  const outputs = [scratch(".f32"), scratch(".f32")]; // of this row of tiles and of the one before
  const size = columns.tile * rows.tile * channels * 4;
  let result: Result | undefined;
  let networkMs = 0;
  let done = 0;
  try {
    for (const row of rows.starts.keys()) {
      await work<void>(CUT, { picture, columns, rows, row, channels, path: input });
      const output = outputs[row % 2]!;
      for (const column of columns.starts.keys()) {
        const tile = {
          width: columns.tile,
          height: rows.tile,
          input: { path: input, offset: column * size },
          output: { path: output, offset: column * size * (result?.scale ?? 1) ** 2 },
        };
        const { scale, ms } = await model.run(tile, signal);
        networkMs += ms;
        result ??= await begin(scale);
        if (scale !== result.scale) throw unsteady(model, result.scale, scale);
        onTile();
      }
      if (result === undefined) throw new Error("there was no tile");
      const { shape, scale, base, writer } = result;
      const settled = settledBy(rows, row, scale);
      const tiles = (row === 0 ? [row] : [row - 1, row]).map((number) => ({
        row: number,
        path: outputs[number % 2]!,
      }));
      while (done < settled) {
        const count = Math.min(stripRows(shape), settled - done);
        const { width, bitDepth } = shape;
        const composed = await work<Samples>(COMPOSE, {
          ...{ y: done, count, scale, columns, rows, tiles, channels, base },
          result: { width, channels: shape.channels, bitDepth },
          strength: options.strength,
        });
        await writer.write(done, composed);
        done += count;
      }
    }
    if (result === undefined) throw new Error("there was no tile");
    const made = await result.writer.finish();
    if (typeof made.data === "string") files.delete(made.data);
    return { ...made, making: [...(picture.making ?? []), makingOf(model, options, networkMs)] };
  } catch (error) {
    await result?.writer.abandon().catch(() => undefined);
    throw error;
  } finally {
    for (const file of files) await unlink(file).catch(() => undefined);
  }

  async function begin(scale: number): Promise<Result> {
    const shape = {
      ...descriptionOf(picture),
      width: picture.width * scale,
      height: picture.height * scale,
    };
    const megapixels = (shape.width * shape.height) / 1e6;
    if (megapixels > context.world.limits.maxMegapixels) throw tooLarge(model, megapixels, context);
    const isAllNew = channels === 3 && picture.channels === 3 && options.strength === 1;
    const base = isAllNew
      ? undefined
      : scale === 1
        ? picture
        : await work<Picture>(ENLARGE, { picture, scale, path: scratch(".v") });
    const writer = await writePixels<Picture>(shape, {
      scratch,
      throwIfStopped: () => signal.throwIfAborted(),
    });
    return { scale, shape, base, writer };
  }
}

function makingOf(model: ImageModel, { tile, overlap, strength }: TileOptions, networkMs: number): Making {
  return {
    model: model.name,
    modelSha256: model.sha256,
    device: model.device,
    networkMs: Math.round(networkMs),
    parameters: { tile, overlap, strength },
  };
}

function unsteady(model: ImageModel, one: number, other: number): AutochromeError {
  return new AutochromeError(
    "inference-failed",
    `The model ${model.name} makes one tile ${one} and another ${other} times as large.`,
    "Choose another model.",
  );
}

function tooLarge(model: ImageModel, megapixels: number, context: EngineContext): AutochromeError {
  return new AutochromeError(
    "image-too-large",
    `The model ${model.name} would make a picture of ${Math.round(megapixels)} megapixels; ${context.world.limits.maxMegapixels} are allowed.`,
    "Make the picture smaller first, or raise the setting maxMegapixels.",
  );
}
