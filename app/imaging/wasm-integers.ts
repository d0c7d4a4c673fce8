// Words of WebAssembly beyond wasm.ts: whole numbers four at a time, as fixed-point arithmetic wants them.
// Must never: know what is computed.
import { type Code, f32x4, i32, i32x4, type Local } from "./wasm.ts";

function vector(opcode: number): (...operands: readonly Code[]) => Code {
  const bytes = opcode < 128 ? [opcode] : [opcode, 1];
  return (...operands) => [...operands.flat(), 0xfd, ...bytes];
}

export const whole = i32x4.const;
export const number = f32x4.const;
export const sub = vector(0xb1);
export const and = vector(0x4e);
export const splat = vector(0x11);
export const replaceLane = (into: Code, lane: number, value: Code): Code => [
  ...into,
  ...value,
  ...[0xfd, 0x1c, lane],
];
/** The nearest whole number, of floats. */
export const nearest = vector(0x6a);
/** Of floats. */
export const abs = vector(0xe0);

const mul = vector(0xb5);
const min = vector(0xb6);
const max = vector(0xb8);

export const shiftLeft = (value: Code, by: number): Code => vector(0xab)(value, i32.const(by));
export const shiftRight = (value: Code, by: number): Code => vector(0xac)(value, i32.const(by));

export function add(...terms: readonly Code[]): Code {
  return terms.reduce((left, right) => i32x4.add(left, right));
}

export function times(value: Code, factor: number): Code {
  return mul(value, whole(factor));
}

export function dot(factors: readonly number[], values: readonly Local[]): Code {
  return add(...factors.map((factor, i) => times(values[i]!.get, factor)));
}

/** Within 0–255. */
export function clamped(value: Code): Code {
  return max(min(value, whole(255)), whole(0));
}

/** Four of the eight lanes of two vectors. */
export function shuffle(left: Code, right: Code, lanes: readonly number[]): Code {
  const bytes = lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));
  return [...left, ...right, 0xfd, 13, ...bytes];
}
