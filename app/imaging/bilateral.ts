// A joint bilateral filter of small planes, as WebAssembly: values are averaged with those nearby that belong to places of
// like lightness. Must never: see full-size pixels.
import {
  bind,
  block,
  type Code,
  compile,
  createMemory,
  f32x4,
  i32,
  type Local,
  repeat,
  v128,
  type WasmModule,
} from "./wasm.ts";

/** How much the colour of a place counts at another, by the difference of their lightness. */
export interface Likeness {
  /** 1/d² of the difference d (L units) from which on it counts no more. */
  readonly narrowness: number;
  /** Weight that is left beyond it. */
  readonly floor: number;
}

/** Neighbours on each side that are looked at; their weight falls with distance to exp(−2) in the corners. */
const RADIUS = 2;
const SIDE = 2 * RADIUS + 1;
const LANES = 4;

const { add, sub, mul, div, pmax } = f32x4;
const number = f32x4.const;

const kernels = new Map<string, WasmModule>();

/**
 * Filters a row, four places at a time. Parameters: byte offsets of the guide's value up and left of the row's first place
 * by RADIUS, between rows, between planes (guide, a, b); of the result's a, of its end, between its planes.
 */
function kernelFor({ narrowness, floor }: Likeness): WasmModule {
  const key = `${narrowness} ${floor}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = compile(["i32", "i32", "i32", "i32", "i32", "i32"], (parameters, local) => {
      const [source, rowStep, planeStep, target, end, targetStep] = parameters as [
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
      ];
      const [here, near, weight, total, sumA, sumB] = Array.from({ length: 6 }, () => local("v128")) as [
        Local,
        Local,
        Local,
        Local,
        Local,
        Local,
      ];
      const [guide, a, b] = [local("i32"), local("i32"), local("i32")];
      const tap = (row: number, column: number): Code => {
        const distance = (row - RADIUS) ** 2 + (column - RADIUS) ** 2;
        return block(
          near.set(sub(v128.load(guide.get, column * 4), here.get)),
          near.set(pmax(sub(number(1), mul(mul(near.get, near.get), number(narrowness))), number(0))),
          weight.set(
            mul(add(mul(near.get, near.get), number(floor)), number(Math.exp(-distance / RADIUS ** 2))),
          ),
          total.set(add(total.get, weight.get)),
          sumA.set(add(sumA.get, mul(weight.get, v128.load(a.get, column * 4)))),
          sumB.set(add(sumB.get, mul(weight.get, v128.load(b.get, column * 4)))),
        );
      };
      const indices = Array.from({ length: SIDE }, (_, i) => i);
      const rows = indices.flatMap((row) => [
        ...indices.map((column) => tap(row, column)),
        ...[guide, a, b].map((pointer) => pointer.set(i32.add(pointer.get, rowStep.get))),
      ]);
      return repeat(
        block(
          // The centre lies RADIUS rows down.
          guide.set(source.get),
          ...Array.from({ length: RADIUS }, () => guide.set(i32.add(guide.get, rowStep.get))),
          here.set(v128.load(guide.get, RADIUS * 4)),
          guide.set(source.get),
          a.set(i32.add(guide.get, planeStep.get)),
          b.set(i32.add(a.get, planeStep.get)),
          ...[total, sumA, sumB].map((sum) => sum.set(number(0))),
          ...rows,
          v128.store(target.get, div(sumA.get, total.get)),
          v128.store(i32.add(target.get, targetStep.get), div(sumB.get, total.get)),
          source.set(i32.add(source.get, i32.const(LANES * 4))),
          target.set(i32.add(target.get, i32.const(LANES * 4))),
        ),
        i32.lt_u(target.get, end.get),
      );
    });
    kernels.set(key, kernel);
  }
  return kernel;
}

/**
 * Planes a and b, filtered along the guide. Beyond the edges the outermost values go on.
 * @param planes guide, a and b, width × height each
 */
export function filterAlong(
  planes: readonly [guide: Float32Array, a: Float32Array, b: Float32Array],
  width: number,
  height: number,
  likeness: Likeness,
): readonly [a: Float32Array, b: Float32Array] {
  const padded = LANES * Math.ceil(width / LANES) + 2 * RADIUS;
  const planeBytes = padded * (height + 2 * RADIUS) * 4;
  const rowBytes = LANES * Math.ceil(width / LANES) * 4;
  const result = 3 * planeBytes;
  const memory = createMemory(result + 2 * rowBytes);
  for (const [i, plane] of planes.entries()) {
    const into = new Float32Array(memory.buffer, i * planeBytes, planeBytes / 4);
    for (let y = -RADIUS; y < height + RADIUS; y++) {
      const row = Math.min(height - 1, Math.max(0, y)) * width;
      const at = (y + RADIUS) * padded;
      into.fill(plane[row]!, at, at + RADIUS);
      into.set(plane.subarray(row, row + width), at + RADIUS);
      into.fill(plane[row + width - 1]!, at + RADIUS + width, at + padded);
    }
  }
  const filter = bind(kernelFor(likeness), memory);
  const filtered = [new Float32Array(width * height), new Float32Array(width * height)] as const;
  const rows = [0, 1].map((i) => new Float32Array(memory.buffer, result + i * rowBytes, width));
  for (let y = 0; y < height; y++) {
    filter(y * padded * 4, padded * 4, planeBytes, result, result + rowBytes, rowBytes);
    for (const [i, row] of rows.entries()) filtered[i]!.set(row, y * width);
  }
  return filtered;
}
