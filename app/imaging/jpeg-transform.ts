// The rounding of a JPEG of quality 100, to the last bit, as WebAssembly: ITU-T T.81's transform as libjpeg's exact
// integer version ("islow") reckons it, which libvips, browsers and most viewers use.
// Must never: know what a plane means.
import { block, type Code, compile, type Local, v128 } from "./wasm.ts";
import { add, clamped, dot, shiftLeft, shiftRight, shuffle, sub, whole } from "./wasm-integers.ts";

/** One dimension of the transform: √2 · cos(kπ/16) in 13-bit fixed point, as matrices of the mirrored halves. */
const EVEN = [
  [10703, 4433],
  [4433, -10704],
] as const;
// libjpeg reckons in steps whose constants are rounded one by one; that is why some of the numbers differ by one.
const ODD = [
  [11363, 9633, 6437, 2260],
  [9633, -2259, -11362, -6436],
  [6437, -11362, 2261, 9633],
  [2260, -6436, 9633, -11363],
] as const;

/**
 * What becomes of a plane of a block: its cosine transform, rounded to whole numbers, and back. Its parameters: byte
 * offsets of the plane, of what becomes of it, and of two planes to work in. Planes hold 64 whole numbers, pixel (x, y)
 * at 8x + y.
 */
export const compileTransform = () =>
  compile(["i32", "i32", "i32"], (parameters, local) => {
    const [source, target, work] = parameters as [Local, Local, Local];
    const vectors = (count: number) => Array.from({ length: count }, () => local("v128"));
    const x = vectors(8);
    const y = vectors(8);
    const s = vectors(4);
    const d = vectors(4);
    const halves = [0, 1] as const;
    const one = 0;
    const two = 256;
    const load = (address: Code, offset: number, half: number, shift = 0): Code =>
      block(
        ...x.map((v, k) => {
          const value = v128.load(address, offset + 32 * k + 16 * half);
          return v.set(shift === 0 ? value : sub(value, whole(shift)));
        }),
      );
    const save = (address: Code, offset: number, half: number, of: (value: Code) => Code): Code =>
      block(...y.map((v, k) => v128.store(address, of(v.get), offset + 32 * k + 16 * half)));

    /** x, samples, to y, coefficients. */
    const forward = (shift: number): Code => {
      const half = whole(1 << (shift - 1));
      const outer = add(s[0]!.get, s[3]!.get);
      const inner = add(s[1]!.get, s[2]!.get);
      return block(
        ...s.map((v, k) => v.set(add(x[k]!.get, x[7 - k]!.get))),
        ...d.map((v, k) => v.set(sub(x[k]!.get, x[7 - k]!.get))),
        y[0]!.set(shiftRight(add(shiftLeft(add(outer, inner), 13), half), shift)),
        y[4]!.set(shiftRight(add(shiftLeft(sub(outer, inner), 13), half), shift)),
        x[0]!.set(sub(s[0]!.get, s[3]!.get)),
        x[1]!.set(sub(s[1]!.get, s[2]!.get)),
        ...EVEN.map((row, k) => y[2 + 4 * k]!.set(shiftRight(add(dot(row, x), half), shift))),
        ...ODD.map((row, k) => y[1 + 2 * k]!.set(shiftRight(add(dot(row, d), half), shift))),
      );
    };
    /** x, coefficients, to y, samples. */
    const backward = (shift: number): Code => {
      const half = whole(1 << (shift - 1));
      const odd = [x[1]!, x[3]!, x[5]!, x[7]!];
      const slopes = EVEN.map((row) => dot(row, [x[2]!, x[6]!]));
      return block(
        d[0]!.set(add(shiftLeft(add(x[0]!.get, x[4]!.get), 13), half)),
        d[1]!.set(add(shiftLeft(sub(x[0]!.get, x[4]!.get), 13), half)),
        d[2]!.set(slopes[0]!),
        d[3]!.set(slopes[1]!),
        s[0]!.set(add(d[0]!.get, d[2]!.get)),
        s[1]!.set(add(d[1]!.get, d[3]!.get)),
        s[2]!.set(sub(d[1]!.get, d[3]!.get)),
        s[3]!.set(sub(d[0]!.get, d[2]!.get)),
        ...ODD.flatMap((row, k) => [
          d[0]!.set(dot(row, odd)),
          y[k]!.set(shiftRight(add(s[k]!.get, d[0]!.get), shift)),
          y[7 - k]!.set(shiftRight(sub(s[k]!.get, d[0]!.get), shift)),
        ]),
      );
    };
    const transpose = (from: number, to: number): Code => {
      const quarter = (row: number, column: number) => {
        const pick = (into: number, left: Local, right: Local, lanes: readonly number[]) =>
          y[into]!.set(shuffle(left.get, right.get, lanes));
        const [a, b, c, e] = x as [Local, Local, Local, Local];
        const [f, g, h, i] = y as [Local, Local, Local, Local];
        return block(
          ...[a, b, c, e].map((v, k) => v.set(v128.load(work.get, from + 32 * (4 * row + k) + 16 * column))),
          pick(0, a, b, [0, 4, 1, 5]),
          pick(1, a, b, [2, 6, 3, 7]),
          pick(2, c, e, [0, 4, 1, 5]),
          pick(3, c, e, [2, 6, 3, 7]),
          pick(4, f, h, [0, 1, 4, 5]),
          pick(5, f, h, [2, 3, 6, 7]),
          pick(6, g, i, [0, 1, 4, 5]),
          pick(7, g, i, [2, 3, 6, 7]),
          ...[0, 1, 2, 3].map((k) =>
            v128.store(work.get, y[4 + k]!.get, to + 32 * (4 * column + k) + 16 * row),
          ),
        );
      };
      return block(quarter(0, 0), quarter(0, 1), quarter(1, 0), quarter(1, 1));
    };
    /** Coefficients come eight times as large; halves are rounded away from zero. */
    const rounded = (value: Code) => shiftRight(add(value, whole(4), shiftRight(value, 31)), 3);
    const same = (value: Code) => value;
    return block(
      ...halves.map((half) =>
        block(load(source.get, 0, half, 128), forward(11), save(work.get, one, half, same)),
      ),
      transpose(one, two),
      ...halves.map((half) =>
        block(
          load(work.get, two, half),
          forward(15),
          ...x.map((v, k) => v.set(rounded(y[k]!.get))),
          backward(11),
          save(work.get, one, half, same),
        ),
      ),
      transpose(one, two),
      ...halves.map((half) =>
        block(
          load(work.get, two, half),
          backward(18),
          save(target.get, 0, half, (value) => clamped(add(value, whole(128)))),
        ),
      ),
    );
  });
