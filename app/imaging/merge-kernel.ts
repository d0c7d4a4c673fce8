// The inner loop of the merge, as WebAssembly: four pixels of a row at a time, in single precision.
// Owns: the arithmetic from levels and chroma to levels. Must never: decide where in the chroma a pixel lies.
import { FLOOR, NARROWNESS } from "./chroma.ts";
import { BISECTIONS, FOOT_END, SLACK, XYZ_TO_RGB } from "./lab.ts";
import { rootsFor } from "./space.ts";
import {
  block,
  type Code,
  compile,
  f32,
  f32x4,
  i32,
  i32x4,
  type Local,
  repeat,
  v128,
  type WasmModule,
  when,
} from "./wasm.ts";

/** Pixels that are treated at once. Rows are padded to a multiple of it. */
export const LANES = 4;
/**
 * Floats of chroma per four pixels, for one row of the chroma: guide left and right of the pixel, a left and right,
 * b left and right, four of each.
 */
export const CELL = 6 * LANES;

/** What a kernel is compiled for. */
export interface KernelShape {
  readonly bitDepth: 8 | 16;
  readonly channels: 3 | 4;
  readonly edgeAware: boolean;
  /** Clip RGB where a colour does not exist, instead of reducing chroma. */
  readonly clip: boolean;
  /** Each pixel's luminance is given, in place of the share of the right neighbour; never with edgeAware. */
  readonly lit: boolean;
  /** The result's primaries are not sRGB's: a matrix lies in memory. */
  readonly converts: boolean;
}

/** Byte offsets of what a kernel reads besides its row. */
export interface KernelLayout {
  /** Float per level: what it adds to luminance; red, green, blue. */
  readonly lights: readonly number[];
  /** Level by the square root of light: bytes for 8 bits, floats for 16. */
  readonly levels: readonly number[];
  /** Nine floats. */
  readonly matrix: number;
  /** First byte that is free. */
  readonly end: number;
}

export function layoutFor(bitDepth: 8 | 16): KernelLayout {
  const lights = (bitDepth === 8 ? 256 : 65536) * 4;
  const levels = 4 * Math.ceil(((rootsFor(bitDepth) + 2) * (bitDepth === 8 ? 1 : 4)) / 4);
  const first = 3 * lights;
  const matrix = first + 3 * levels;
  return {
    lights: [0, lights, 2 * lights],
    levels: [first, first + levels, first + 2 * levels],
    matrix,
    end: matrix + 64,
  };
}

const kernels = new Map<string, WasmModule>();

/**
 * The kernel of a shape, compiled once. Its parameters: byte offsets of the row's pixels, of their end, of the chroma
 * above, of the chroma below, of the share of the right neighbour (a float per pixel); the share of the row below.
 */
export function kernelFor(shape: KernelShape): WasmModule {
  const key = JSON.stringify(shape);
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = build(shape);
    kernels.set(key, kernel);
  }
  return kernel;
}

/**
 * Lays a row of chroma out as the kernels read it, spread to the photo's width. Its parameters: byte offsets of the
 * places (for four pixels at a time: byte offsets in the row of their left and of their right neighbours), of their
 * end, of the row's guide, a and b, and of where to write {@link CELL} floats per four pixels.
 */
export const spreadRow = compile(["i32", "i32", "i32", "i32", "i32", "i32"], (parameters, local) => {
  const [places, end, guide, a, b, into] = parameters as [Local, Local, Local, Local, Local, Local];
  const offsets = Array.from({ length: LANES }, () => local("i32"));
  const value = (plane: Local, lane: number) => f32.load(i32.add(plane.get, offsets[lane]!.get));
  const gathered = (plane: Local) =>
    [1, 2, 3].reduce<Code>(
      (vector, lane) => f32x4.replace_lane(vector, lane, value(plane, lane)),
      f32x4.splat(value(plane, 0)),
    );
  const side = (index: 0 | 1) =>
    block(
      ...offsets.map((offset, lane) => offset.set(i32.load(places.get, (index * LANES + lane) * 4))),
      ...[guide, a, b].map((plane, part) =>
        v128.store(into.get, gathered(plane), (2 * part + index) * LANES * 4),
      ),
    );
  return repeat(
    block(
      side(0),
      side(1),
      places.set(i32.add(places.get, i32.const(2 * LANES * 4))),
      into.set(i32.add(into.get, i32.const(CELL * 4))),
    ),
    i32.lt_u(places.get, end.get),
  );
});

const { add, sub, mul, div, splat, sqrt, lt, gt, pmin, pmax } = f32x4;
const number = f32x4.const;
const sum = (...terms: readonly Code[]) => terms.reduce((left, right) => add(left, right));
const THRESHOLD = 0.008856;
const FOOT = 16 / 116;

function build(shape: KernelShape): WasmModule {
  const { bitDepth, channels, edgeAware } = shape;
  const layout = layoutFor(bitDepth);
  const sampleBytes = bitDepth / 8;

  return compile(["i32", "i32", "i32", "i32", "i32", "f32"], (parameters, local) => {
    const [pixels, end, above, below, share, down] = parameters as [Local, Local, Local, Local, Local, Local];
    const vec = () => local("v128");
    const [luminance, fy, da, db] = [vec(), vec(), vec(), vec()];
    const rgb = [vec(), vec(), vec()] as const;
    const sample = (lane: number, channel: number) => (lane * channels + channel) * sampleBytes;

    const light = (lane: number, channel: number): Code => {
      const level = (bitDepth === 8 ? i32.load8_u : i32.load16_u)(pixels.get, sample(lane, channel));
      return f32.load(i32.shl(level, i32.const(2)), layout.lights[channel]);
    };
    const lightOf = (lane: number) => f32.add(f32.add(light(lane, 0), light(lane, 1)), light(lane, 2));
    const readLuminance = luminance.set(
      shape.lit
        ? v128.load(share.get)
        : [1, 2, 3].reduce<Code>(
            (vector, lane) => f32x4.replace_lane(vector, lane, lightOf(lane)),
            splat(lightOf(0)),
          ),
    );

    // Cube root: a first guess by dividing the exponent by 3, then Halley's step twice, which gives all 24 bits.
    const root = vec();
    const guess = i32x4.add(
      i32x4.trunc_sat_f32x4_s(mul(f32x4.convert_i32x4_s(luminance.get), number(1 / 3))),
      i32x4.const(0x2a514067),
    );
    const cube = vec();
    const halley = block(
      cube.set(mul(root.get, mul(root.get, root.get))),
      root.set(
        div(
          mul(root.get, sum(cube.get, luminance.get, luminance.get)),
          sum(cube.get, cube.get, luminance.get),
        ),
      ),
    );
    // Near black f is linear; there light is reckoned from luminance itself, as (f(Y) − 16/116) would cancel it away.
    const [inFoot, foot] = [vec(), vec()];
    const readFy = block(
      root.set(guess),
      halley,
      halley,
      inFoot.set(lt(luminance.get, number(THRESHOLD))),
      fy.set(v128.bitselect(add(mul(luminance.get, number(7.787)), number(FOOT)), root.get, inFoot.get)),
      foot.set(
        v128.bitselect(luminance.get, mul(sub(root.get, number(FOOT)), number(1 / 7.787)), inFoot.get),
      ),
    );

    // The neighbours' part in a pixel's chroma: near in place, and alike in lightness.
    const [across, lightness, weight, total, sumA, sumB] = [vec(), vec(), vec(), vec(), vec(), vec()];
    const near = vec();
    const plane = (row: Local, part: number) => v128.load(row.get, part * LANES * 4);
    const neighbour = (row: Local, side: 0 | 1, place: Code): Code =>
      block(
        near.set(sub(plane(row, side), lightness.get)),
        near.set(pmax(sub(number(1), mul(mul(near.get, near.get), number(NARROWNESS))), number(0))),
        weight.set(mul(place, add(mul(near.get, near.get), number(FLOOR)))),
        total.set(add(total.get, weight.get)),
        sumA.set(add(sumA.get, mul(weight.get, plane(row, 2 + side)))),
        sumB.set(add(sumB.get, mul(weight.get, plane(row, 4 + side)))),
      );
    const back = sub(number(1), across.get);
    const up = sub(number(1), splat(down.get));
    const readChroma = edgeAware
      ? block(
          across.set(v128.load(share.get)),
          lightness.set(sub(mul(fy.get, number(116)), number(16))),
          ...[total, sumA, sumB].map((variable) => variable.set(number(0))),
          neighbour(above, 0, mul(back, up)),
          neighbour(above, 1, mul(across.get, up)),
          neighbour(below, 0, mul(back, splat(down.get))),
          neighbour(below, 1, mul(across.get, splat(down.get))),
          total.set(div(number(1), total.get)),
          da.set(mul(sumA.get, total.get)),
          db.set(mul(sumB.get, total.get)),
        )
      : block(da.set(plane(above, 2)), db.set(plane(above, 4)));

    // Lab → linear sRGB with chroma times a factor, and which lanes are then outside of it.
    const [x, z, outside, factor] = [vec(), vec(), vec(), vec()];
    const unpivot = (f: Local, change: Code): Code =>
      block(
        f.set(add(fy.get, change)),
        f.set(
          v128.bitselect(
            mul(f.get, mul(f.get, f.get)),
            add(foot.get, mul(change, number(1 / 7.787))),
            gt(f.get, number(FOOT_END)),
          ),
        ),
      );
    const toLinear = block(
      unpivot(x, mul(da.get, factor.get)),
      unpivot(z, sub(number(0), mul(db.get, factor.get))),
      ...rgb.map((component, row) => {
        const [mx = 0, my = 0, mz = 0] = XYZ_TO_RGB.slice(row * 3);
        return component.set(
          sum(mul(x.get, number(mx)), mul(luminance.get, number(my)), mul(z.get, number(mz))),
        );
      }),
      outside.set(
        rgb
          .flatMap(({ get }) => [lt(get, number(-SLACK)), gt(get, number(1 + SLACK))])
          .reduce((left, right) => v128.or(left, right)),
      ),
    );

    // The largest factor that fits, by bisection in all lanes; lanes that fitted keep their 1.
    const [low, high, fitted] = [vec(), vec(), vec()];
    const step = local("i32");
    const reduceChroma = block(
      fitted.set(outside.get),
      low.set(number(0)),
      high.set(number(1)),
      step.set(i32.const(0)),
      repeat(
        block(
          factor.set(mul(add(low.get, high.get), number(0.5))),
          toLinear,
          low.set(v128.bitselect(low.get, factor.get, outside.get)),
          high.set(v128.bitselect(factor.get, high.get, outside.get)),
          step.set(i32.add(step.get, i32.const(1))),
        ),
        i32.lt_u(step.get, i32.const(BISECTIONS)),
      ),
      factor.set(v128.bitselect(low.get, number(1), fitted.get)),
      toLinear,
    );

    const clamp = (value: Code) => pmin(pmax(value, number(0)), number(1));
    const [red, green, blue] = rgb;
    const converted = [vec(), vec(), vec()] as const;
    const entry = (index: number) => splat(f32.load(i32.const(layout.matrix), index * 4));
    const convert = block(
      ...converted.map((variable, row) =>
        variable.set(
          sum(
            mul(red.get, entry(row * 3)),
            mul(green.get, entry(row * 3 + 1)),
            mul(blue.get, entry(row * 3 + 2)),
          ),
        ),
      ),
      ...rgb.map((component, row) => component.set(clamp(converted[row]!.get))),
    );

    const [place, index, upperLevel] = [vec(), vec(), vec()];
    const lookUp = (lane: number, table: number) =>
      f32.load(i32.shl(i32x4.extract_lane(index.get, lane), i32.const(2)), table);
    const gather = (table: number) =>
      [1, 2, 3].reduce<Code>(
        (vector, lane) => f32x4.replace_lane(vector, lane, lookUp(lane, table)),
        splat(lookUp(0, table)),
      );
    const writeComponent = (component: Local, channel: number): Code => {
      const table = layout.levels[channel]!;
      const root = mul(sqrt(component.get), number(rootsFor(bitDepth)));
      const lanes = [0, 1, 2, 3];
      if (bitDepth === 8) {
        return block(
          index.set(i32x4.trunc_sat_f32x4_s(add(root, number(0.5)))),
          ...lanes.map((lane) => {
            const level = i32.load8_u(i32x4.extract_lane(index.get, lane), table);
            return i32.store8(pixels.get, level, sample(lane, channel));
          }),
        );
      }
      return block(
        place.set(root),
        index.set(i32x4.trunc_sat_f32x4_s(place.get)),
        place.set(sub(place.get, f32x4.convert_i32x4_s(index.get))),
        upperLevel.set(gather(table + 4)),
        place.set(add(mul(upperLevel.get, place.get), mul(gather(table), sub(number(1), place.get)))),
        index.set(i32x4.trunc_sat_f32x4_s(add(place.get, number(0.5)))),
        ...lanes.map((lane) =>
          i32.store16(pixels.get, i32x4.extract_lane(index.get, lane), sample(lane, channel)),
        ),
      );
    };

    const advance = (pointer: Local, bytes: number) => pointer.set(i32.add(pointer.get, i32.const(bytes)));
    return repeat(
      block(
        readLuminance,
        readFy,
        readChroma,
        factor.set(number(1)),
        toLinear,
        shape.clip ? [] : when(v128.any_true(outside.get), reduceChroma),
        ...rgb.map((component) => component.set(clamp(component.get))),
        shape.converts ? convert : [],
        ...rgb.map(writeComponent),
        advance(pixels, LANES * channels * sampleBytes),
        advance(above, CELL * 4),
        advance(below, CELL * 4),
        advance(share, LANES * 4),
      ),
      i32.lt_u(pixels.get, end.get),
    );
  });
}
