// A block of 8 × 8 pixels on its way through a JPEG of quality 100: colours to Y, Cb, Cr and back, to the last bit, as JFIF
// and libjpeg reckon them, and how far from the original's lightness the decoder then is.
//
// Planes lie column after column, pixel (x, y) at 8x + y: four pixels below each other are one vector.
// Owns: the arithmetic of a block, its memory. Must never: decide when a block is good.
import { compileTransform } from "./jpeg-transform.ts";
import {
  bind,
  block,
  type Code,
  compile,
  createMemory,
  f32,
  f32x4,
  i32,
  i32x4,
  type Local,
  repeat,
  v128,
} from "./wasm.ts";
import {
  abs,
  add,
  and,
  clamped,
  dot,
  nearest,
  number,
  replaceLane,
  shiftLeft,
  shiftRight,
  splat,
  sub,
  times,
  whole,
} from "./wasm-integers.ts";

const { store } = v128;

/** Pixels further off than this (L*) count as off. Below what is promised, 0.5: errors are reckoned to first order. */
export const TOLERANCE = 0.46;
/** What a pixel that is off costs: more than all squares of a block. */
export const OFF = 2 ** 20;
/** What a level of Cb or Cr, squared, away from a pixel's colour costs in levels of Y. */
const LEAVING = 0.3;

/** Level tables that tolerate levels outside 0–255 hold level 0 here. */
export const ZERO = 256;
/** L* per luminance is kept at (i / GAINS)². */
export const GAINS = 1024;

// JFIF's matrices in libjpeg's 16-bit fixed point.
export const HALF = 32768;
export const MIDDLE = 128 << 16;
export const RED_OF_CR = 91881;
export const BLUE_OF_CB = 116130;
export const GREEN_OF_CB = -22554;
export const GREEN_OF_CR = -46802;
/** Y, Cb, Cr of red, green, blue. */
export const FROM_RGB = [
  [19595, 38470, 7471],
  [-11059, -21709, 32768],
  [32768, -27439, -5329],
] as const;

// Where things lie in memory.
const PLANE = 256;
const place = (() => {
  let end = 0;
  const take = (bytes: number) => {
    end += bytes;
    return end - bytes;
  };
  const three = (bytes: number) => [take(bytes), take(bytes), take(bytes)] as const;
  return {
    rgb: three(PLANE),
    ycc: three(PLANE),
    got: three(PLANE),
    target: take(PLANE),
    gain: take(PLANE),
    error: take(PLANE),
    work: take(2 * PLANE),
    cost: take(32),
    from: three(1024),
    to: three(3 * 1024),
    slopes: three(1024),
    gains: take(4 * (GAINS + 4)),
    end: take(0),
  };
})();

/** What chroma, less 128, adds to Y in red, green and blue. */
const offsetsOf = (b: Code, r: Code): readonly [Code, Code, Code] => [
  shiftRight(add(times(r, RED_OF_CR), whole(HALF)), 16),
  shiftRight(add(times(b, GREEN_OF_CB), times(r, GREEN_OF_CR), whole(HALF)), 16),
  shiftRight(add(times(b, BLUE_OF_CB), whole(HALF)), 16),
];
const lanes = [0, 1, 2, 3] as const;
/** Floats of a table at four places, given in bytes. */
const gather = (bytes: Local, table: number): Code => {
  const [first, ...others] = lanes.map((lane) => f32.load(i32x4.extract_lane(bytes.get, lane), table));
  return others.reduce<Code>((into, value, k) => f32x4.replace_lane(into, k + 1, value), f32x4.splat(first!));
};
const sumOf = (...terms: readonly Code[]) => terms.reduce((left, right) => f32x4.add(left, right));

/** Errors of what the decoder gets; and, in four parts each, the sum of their squares and how many pixels are off. */
const compileMeasure = () =>
  compile([], (_, local) => {
    const at = local("i32");
    const vec = () => local("v128");
    const [y, b, r, light, bytes, squares, off] = [vec(), vec(), vec(), vec(), vec(), vec(), vec()];
    const offsets = offsetsOf(b.get, r.get);
    return block(
      at.set(i32.const(0)),
      squares.set(number(0)),
      off.set(number(0)),
      repeat(
        block(
          y.set(add(v128.load(at.get, place.got[0]), whole(ZERO))),
          b.set(sub(v128.load(at.get, place.got[1]), whole(128))),
          r.set(sub(v128.load(at.get, place.got[2]), whole(128))),
          light.set(number(0)),
          ...offsets.flatMap((offset, channel) => [
            bytes.set(shiftLeft(add(y.get, offset), 2)),
            light.set(f32x4.add(light.get, gather(bytes, place.to[channel]!))),
          ]),
          light.set(
            f32x4.mul(f32x4.sub(light.get, v128.load(at.get, place.target)), v128.load(at.get, place.gain)),
          ),
          store(at.get, light.get, place.error),
          squares.set(f32x4.add(squares.get, f32x4.mul(light.get, light.get))),
          off.set(f32x4.add(off.get, and(number(1), f32x4.gt(abs(light.get), number(TOLERANCE))))),
          at.set(i32.add(at.get, i32.const(16))),
        ),
        i32.lt_u(at.get, i32.const(PLANE)),
      ),
      store(i32.const(0), squares.get, place.cost),
      store(i32.const(0), off.get, place.cost + 16),
    );
  });

/**
 * Reads a block's pixels and takes, for each, of the four whole (Cb, Cr) around its colour the one under which a whole Y
 * comes nearest to the original's luminance: to first order, as no colour is far from the pixel's own. Writes the colours
 * for the encoder, and the Y, Cb, Cr that it makes of them: the same, but at the edges of the gamut.
 *
 * Parameters: where the block begins in the original and in the coloured pixels, and bytes from row to row.
 */
const compileChoose = () =>
  compile(["i32", "i32", "i32"], (parameters, local) => {
    const [originalRow, colouredRow, stride] = parameters as [Local, Local, Local];
    const four = (type: "i32" | "v128") =>
      [local(type), local(type), local(type), local(type)] as [Local, Local, Local, Local];
    const three = () => [local("v128"), local("v128"), local("v128")] as [Local, Local, Local];
    const out = local("i32");
    const original = four("i32");
    const coloured = four("i32");
    const rgb = three();
    const shares = three();
    const [target, bytes, total, wanted] = four("v128");
    const [exactCb, exactCr, leftCb, leftCr] = four("v128");
    const [least, bestY, bestCb, bestCr] = four("v128");
    const [forCb, costCb, greenOfCb, newCb] = four("v128");
    const [candidate, nearestY, cost, newCr] = four("v128");
    const [costCr0, costCr1, fewer0, fewer1] = four("v128");
    const [green0, green1, better] = three();

    const advance = (pointer: Local, by: Code) => pointer.set(i32.add(pointer.get, by));
    const rowsOf = (row: Local, rows: readonly Local[]) =>
      block(...rows.flatMap((pointer) => [pointer.set(row.get), advance(row, stride.get)]));
    const lightOf = (pointer: Local): Code =>
      [0, 1, 2]
        .map((channel) =>
          f32.load(i32.shl(i32.load8_u(pointer.get, channel), i32.const(2)), place.from[channel]!),
        )
        .reduce((left, right) => f32.add(left, right));
    const squared = (value: Code) => f32x4.mul(value, value);

    const readOriginal = block(
      target.set(
        original
          .slice(1)
          .reduce<Code>(
            (into, pointer, k) => f32x4.replace_lane(into, k + 1, lightOf(pointer)),
            f32x4.splat(lightOf(original[0])),
          ),
      ),
      store(out.get, target.get, place.target),
      bytes.set(
        shiftLeft(
          i32x4.trunc_sat_f32x4_s(sumOf(f32x4.mul(f32x4.sqrt(target.get), number(GAINS)), number(0.5))),
          2,
        ),
      ),
      store(out.get, gather(bytes, place.gains), place.gain),
    );
    // Shares of the three levels in what a level of Y does; the Y that is wanted if chroma's offsets were 0.
    const readColoured = block(
      wanted.set(target.get),
      total.set(number(1e-9)),
      ...rgb.flatMap((component, channel) => [
        component.set(
          coloured
            .slice(1)
            .reduce<Code>(
              (into, pointer, k) => replaceLane(into, k + 1, i32.load8_u(pointer.get, channel)),
              splat(i32.load8_u(coloured[0].get, channel)),
            ),
        ),
        bytes.set(shiftLeft(component.get, 2)),
        shares[channel]!.set(gather(bytes, place.slopes[channel]!)),
        total.set(f32x4.add(total.get, shares[channel]!.get)),
        wanted.set(f32x4.sub(wanted.get, gather(bytes, place.to[channel]! + 4 * ZERO))),
      ]),
      total.set(f32x4.div(number(1), total.get)),
      wanted.set(f32x4.mul(wanted.get, total.get)),
      ...shares.flatMap((share, channel) => [
        share.set(f32x4.mul(share.get, total.get)),
        wanted.set(f32x4.add(wanted.get, f32x4.mul(share.get, f32x4.convert_i32x4_s(rgb[channel]!.get)))),
      ]),
      exactCb.set(dot(FROM_RGB[1], rgb)),
      exactCr.set(dot(FROM_RGB[2], rgb)),
      ...(
        [
          [leftCb, exactCb],
          [leftCr, exactCr],
        ] as const
      ).flatMap(([left, exact]) => [
        left.set(f32x4.mul(f32x4.convert_i32x4_s(and(exact.get, whole(65535))), number(1 / 65536))),
        exact.set(shiftRight(exact.get, 16)),
      ]),
    );

    const leaving = (left: Code) => f32x4.mul(number(LEAVING), squared(left));
    const offset = (share: Local, offset: Code) => f32x4.mul(share.get, f32x4.convert_i32x4_s(offset));
    const fewer = (by: number) =>
      offset(shares[0], shiftRight(add(times(add(exactCr.get, whole(by)), RED_OF_CR), whole(HALF)), 16));
    const ofCr = block(
      fewer0.set(fewer(0)),
      fewer1.set(fewer(1)),
      costCr0.set(leaving(leftCr.get)),
      costCr1.set(leaving(f32x4.sub(number(1), leftCr.get))),
      green0.set(times(exactCr.get, GREEN_OF_CR)),
      green1.set(add(green0.get, whole(GREEN_OF_CR))),
    );
    const tryCr = (by: 0 | 1): Code => {
      const green = shiftRight(add(greenOfCb.get, by === 0 ? green0.get : green1.get), 16);
      const less = sumOf(by === 0 ? fewer0.get : fewer1.get, offset(shares[1], green));
      return block(
        candidate.set(f32x4.sub(forCb.get, less)),
        nearestY.set(nearest(candidate.get)),
        cost.set(
          sumOf(
            abs(f32x4.sub(candidate.get, nearestY.get)),
            costCb.get,
            by === 0 ? costCr0.get : costCr1.get,
          ),
        ),
        better.set(f32x4.lt(cost.get, least.get)),
        newCr.set(add(exactCr.get, whole(by))),
        ...(
          [
            [least, cost],
            [bestY, nearestY],
            [bestCb, newCb],
            [bestCr, newCr],
          ] as const
        ).map(([best, now]) => best.set(v128.bitselect(now.get, best.get, better.get))),
      );
    };
    const tryCb = (by: 0 | 1): Code =>
      block(
        newCb.set(add(exactCb.get, whole(by))),
        forCb.set(
          f32x4.sub(
            wanted.get,
            offset(shares[2], shiftRight(add(times(newCb.get, BLUE_OF_CB), whole(HALF)), 16)),
          ),
        ),
        greenOfCb.set(add(times(newCb.get, GREEN_OF_CB), whole(HALF))),
        costCb.set(leaving(by === 0 ? leftCb.get : f32x4.sub(number(1), leftCb.get))),
        tryCr(0),
        tryCr(1),
      );

    const write = block(
      bestY.set(clamped(i32x4.trunc_sat_f32x4_s(bestY.get))),
      ...offsetsOf(bestCb.get, bestCr.get).flatMap((offset, channel) => [
        rgb[channel]!.set(clamped(add(bestY.get, offset))),
        store(out.get, rgb[channel]!.get, place.rgb[channel]!),
      ]),
      ...FROM_RGB.flatMap((row, k) => [
        bytes.set(shiftRight(add(dot(row, rgb), whole(k === 0 ? HALF : MIDDLE + HALF - 1)), 16)),
        store(out.get, bytes.get, place.ycc[k]!),
        store(out.get, bytes.get, place.got[k]!),
      ]),
    );

    return block(
      out.set(i32.const(0)),
      repeat(
        block(
          rowsOf(originalRow, original),
          rowsOf(colouredRow, coloured),
          repeat(
            block(
              readOriginal,
              readColoured,
              ofCr,
              least.set(number(9)),
              tryCb(0),
              tryCb(1),
              write,
              ...[...original, ...coloured].map((pointer) => advance(pointer, i32.const(3))),
              advance(out, i32.const(32)),
            ),
            i32.lt_u(out.get, i32.const(PLANE)),
          ),
          advance(out, i32.const(16 - PLANE)),
        ),
        i32.lt_u(out.get, i32.const(32)),
      ),
    );
  });

/** A block and the rows that it is cut from. Planes are views of 64 pixels, column after column. */
export interface Bench {
  /** Colours for the encoder. */
  readonly rgb: readonly [Int32Array, Int32Array, Int32Array];
  /** The Y, Cb, Cr that the encoder makes of them. */
  readonly ycc: readonly [Int32Array, Int32Array, Int32Array];
  /** The Y, Cb, Cr that the decoder gets. */
  readonly got: readonly [Int32Array, Int32Array, Int32Array];
  /** Luminance of the original; L* per luminance there; how far off in L* the result is. */
  readonly target: Float32Array;
  readonly gain: Float32Array;
  readonly error: Float32Array;
  /** Luminance of the original's levels. */
  readonly from: readonly [Float32Array, Float32Array, Float32Array];
  /** Luminance of the result's levels, from {@link ZERO} below 0 on, and what one more level adds. */
  readonly to: readonly [Float32Array, Float32Array, Float32Array];
  readonly slopes: readonly [Float32Array, Float32Array, Float32Array];
  /** Eight rows of each, padded to whole blocks. */
  readonly original: Uint8Array;
  readonly coloured: Uint8Array;
  /** Reads the block that begins at a column, and chooses its colours. */
  choose(column: number): void;
  /** Rounds a plane as a JPEG does: {@link ycc} to {@link got}. */
  round(plane: 0 | 1 | 2): void;
  /** Reckons errors. Gives {@link OFF} for each pixel that is off by more than {@link TOLERANCE}, and all squares. */
  measure(): number;
}

const compileAll = () =>
  ({ choose: compileChoose(), transform: compileTransform(), measure: compileMeasure() }) as const;
/** Compiled once, and not before a JPEG is written. */
let compiled: ReturnType<typeof compileAll> | undefined;

/** A bench for rows of up to so many pixels. */
export function createBench(width: number): Bench {
  const stride = 24 * Math.ceil(width / 8);
  const rows = 16 * Math.ceil(place.end / 16);
  const memory = createMemory(rows + 16 * stride);
  const { buffer } = memory;
  const ints = (at: number) => new Int32Array(buffer, at, 64);
  const floats = (at: number, length = 64) => new Float32Array(buffer, at, length);
  const three = <T>(places: readonly [number, number, number], of: (at: number) => T): readonly [T, T, T] => [
    of(places[0]),
    of(places[1]),
    of(places[2]),
  ];
  floats(place.gains, GAINS + 4).forEach((_, i, gains) => {
    const luminance = (i / GAINS) ** 2;
    gains[i] = luminance > 0.008856 ? (116 / 3) * luminance ** (-2 / 3) : 903.3;
  });
  compiled ??= compileAll();
  const runChoose = bind(compiled.choose, memory);
  const runTransform = bind(compiled.transform, memory);
  const runMeasure = bind(compiled.measure, memory);
  const cost = floats(place.cost, 8);
  return {
    rgb: three(place.rgb, ints),
    ycc: three(place.ycc, ints),
    got: three(place.got, ints),
    target: floats(place.target),
    gain: floats(place.gain),
    error: floats(place.error),
    from: three(place.from, (at) => floats(at, 256)),
    to: three(place.to, (at) => floats(at, 768)),
    slopes: three(place.slopes, (at) => floats(at, 256)),
    original: new Uint8Array(buffer, rows, 8 * stride),
    coloured: new Uint8Array(buffer, rows + 8 * stride, 8 * stride),
    choose: (column) => runChoose(rows + 3 * column, rows + 8 * stride + 3 * column, stride),
    round: (plane) => runTransform(place.ycc[plane], place.got[plane], place.work),
    measure() {
      runMeasure();
      const squares = cost[0]! + cost[1]! + cost[2]! + cost[3]!;
      return squares + OFF * (cost[4]! + cost[5]! + cost[6]! + cost[7]!);
    },
  };
}
