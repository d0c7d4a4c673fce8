// A few words of WebAssembly: enough to write a loop over pixels that treats four of them at once.
//
// JavaScript has no vector instructions, and how fast V8 runs a long loop depends on luck; a small WebAssembly function
// is several times faster, every time, and its arithmetic is the same on every machine.
// Must never: know what is computed. Names are those of the WebAssembly text format.

/** Instructions, encoded. An expression leaves one value on the stack, a statement none. */
export type Code = readonly number[];
export type ValueType = "i32" | "f32" | "v128";

const TYPES: Record<ValueType, number> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) + 128);
  }
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const low = rest & 0x7f;
    if (rest >= -64 && rest < 64) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

function floatBytes(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)];
}

/** An instruction that takes its operands from the stack. */
const plain =
  (...opcode: readonly number[]) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), ...opcode];
/** A vector instruction. */
const vector = (opcode: number) => plain(0xfd, ...unsigned(opcode));
/** An instruction that reads memory at an address plus a constant. */
const load =
  (...opcode: readonly number[]) =>
  (address: Code, offset = 0): Code => [...address, ...opcode, 0, ...unsigned(offset)];
/** An instruction that writes memory at an address plus a constant. */
const store =
  (...opcode: readonly number[]) =>
  (address: Code, value: Code, offset = 0): Code => [...address, ...value, ...opcode, 0, ...unsigned(offset)];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: plain(0x6a),
  shl: plain(0x74),
  lt_u: plain(0x49),
  load8_u: load(0x2d),
  load16_u: load(0x2f),
  load: load(0x28),
  store8: store(0x3a),
  store16: store(0x3b),
};

export const f32 = { add: plain(0x92), load: load(0x2a) };

export const v128 = {
  load: load(0xfd, 0),
  store: store(0xfd, 11),
  or: vector(0x50),
  andnot: vector(0x4f),
  /** Bits of the first where the third has ones, else of the second. */
  bitselect: vector(0x52),
  any_true: vector(0x53),
};

export const f32x4 = {
  const: (value: number): Code => [0xfd, 12, ...[0, 1, 2, 3].flatMap(() => floatBytes(value))],
  splat: vector(0x13),
  replace_lane: (into: Code, lane: number, value: Code): Code => [...into, ...value, 0xfd, 0x20, lane],
  lt: vector(0x43),
  gt: vector(0x44),
  sqrt: vector(0xe3),
  add: vector(0xe4),
  sub: vector(0xe5),
  mul: vector(0xe6),
  div: vector(0xe7),
  pmin: vector(0xea),
  pmax: vector(0xeb),
  convert_i32x4_s: vector(0xfa),
};

export const i32x4 = {
  const: (value: number): Code => [
    0xfd,
    12,
    ...[0, 1, 2, 3].flatMap(() => [...new Uint8Array(Int32Array.of(value).buffer)]),
  ],
  add: vector(0xae),
  trunc_sat_f32x4_s: vector(0xf8),
  extract_lane: (from: Code, lane: number): Code => [...from, 0xfd, 0x1b, lane],
};

/** Statements one after the other. */
export function block(...statements: readonly Code[]): Code {
  return statements.flat();
}

/** Does the body again as long as the condition, reckoned after it, holds. */
export function repeat(body: Code, condition: Code): Code {
  return [0x03, 0x40, ...body, ...condition, 0x0d, 0, 0x0b];
}

/** Does the body if the condition holds. */
export function when(condition: Code, body: Code): Code {
  return [...condition, 0x04, 0x40, ...body, 0x0b];
}

export interface Local {
  readonly get: Code;
  set(value: Code): Code;
}

/** Numbers in, nothing out. */
export type WasmFunction = (...parameters: number[]) => void;

/** Linear memory that functions work on. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

// The part of the standard interface that is used; TypeScript declares it only together with a browser's library.
declare const WebAssembly: {
  Memory: new (options: { initial: number }) => WasmMemory;
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (
    module: WasmModule,
    imports: { m: { m: WasmMemory } },
  ) => { readonly exports: { readonly f: WasmFunction } };
};

/** A compiled function, not yet bound to a memory. */
export type WasmModule = { readonly compiled?: never };

/** Memory of at least this many bytes, zeroed. */
export function createMemory(bytes: number): WasmMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / 65536) });
}

/** Binds a compiled function to the memory that it is to work on. */
export function bind(module: WasmModule, memory: WasmMemory): WasmFunction {
  return new WebAssembly.Instance(module, { m: { m: memory } }).exports.f;
}

/**
 * Compiles a function.
 * @param write gets the parameters and a way to declare further variables; gives the body
 */
export function compile(
  parameters: readonly ValueType[],
  write: (parameters: readonly Local[], local: (type: ValueType) => Local) => Code,
): WasmModule {
  const types = [...parameters];
  const variable = (index: number): Local => ({
    get: [0x20, ...unsigned(index)],
    set: (value) => [...value, 0x21, ...unsigned(index)],
  });
  const body = write(
    parameters.map((_, index) => variable(index)),
    (type) => variable(types.push(type) - 1),
  );
  const locals = types.slice(parameters.length).map((type) => [1, TYPES[type]]);
  const code = [...unsigned(locals.length), ...locals.flat(), ...body, 0x0b];
  const section = (id: number, ...content: number[]) => [id, ...unsigned(content.length), ...content];
  return new WebAssembly.Module(
    Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, 1, 0x60, parameters.length, ...parameters.map((type) => TYPES[type]), 0),
      ...section(2, 1, 1, 0x6d, 1, 0x6d, 2, 0, 0), // import "m"."m": a memory
      ...section(3, 1, 0),
      ...section(7, 1, 1, 0x66, 0, 0), // export "f": function 0
      ...section(10, 1, ...unsigned(code.length), ...code),
    ]),
  );
}
