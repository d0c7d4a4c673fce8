// Widget values of a prompt, made what the declaration says or refused, with ComfyUI's rules and words.
//
// Owns: coercion, range and list checks, and writing values as Python does, because ComfyUI's messages do.
// Must never: know about links or graphs.
import { isObject } from "./json.ts";
import type { InputSpec } from "./node.ts";
import type { InputConfig } from "./object-info.ts";
import type { Reason } from "./refusal.ts";

export type Judged = { readonly value: unknown } | { readonly reason: Reason };

/** Longer lists are not sent back. */
const MOST_LISTED = 20;

/**
 * The value that a node gets for what a prompt says.
 * @param config gives the input as ComfyUI describes it, with the choices that there are now
 * @param isCheckedElsewhere the node itself judges range and list
 */
export function judgeWidget(
  name: string,
  spec: InputSpec,
  given: unknown,
  config: () => InputConfig,
  isCheckedElsewhere: boolean,
): Judged {
  const raw = isObject(given) && Object.hasOwn(given, "__value__") ? given.__value__ : given;
  const about = () => ({ input_name: name, input_config: shortConfig(config()), received_value: raw });
  const coerced = coerce(spec.type, raw, isCheckedElsewhere);
  if ("problem" in coerced) {
    return refuse({
      type: "invalid_input_type",
      message: `Failed to convert an input value to a ${spec.type} value`,
      details: `${name}, ${str(raw)}, ${coerced.problem}`,
      extra_info: { ...about(), received_value: finite(raw), exception_message: coerced.problem },
    });
  }
  const { value } = coerced;
  if (isCheckedElsewhere) return { value };
  if ((spec.type === "INT" || spec.type === "FLOAT") && typeof value === "number") {
    const write = spec.type === "INT" ? String : float;
    const outside =
      value < spec.min
        ? { type: "value_smaller_than_min", how: "smaller than min", limit: spec.min }
        : value > spec.max
          ? { type: "value_bigger_than_max", how: "bigger than max", limit: spec.max }
          : undefined;
    if (outside === undefined) return { value };
    return refuse({
      type: outside.type,
      message: `Value ${write(value)} ${outside.how} of ${write(outside.limit)}`,
      details: name,
      extra_info: { ...about(), received_value: value },
    });
  }
  if (spec.type === "COMBO" && !(typeof value === "string" && config()[0].includes(value))) {
    return refuse({
      type: "value_not_in_list",
      message: "Value not in list",
      details: `${name}: ${repr(value)} not in ${typeText(config())}`,
      extra_info: about(),
    });
  }
  return { value };
}

const refuse = (reason: Reason): Judged => ({ reason });

/** Null where the choices are too many to send back. */
export function shortConfig(config: InputConfig): InputConfig | null {
  return typeof config[0] !== "string" && config[0].length > MOST_LISTED ? null : config;
}

/** An input's type in a message. */
export function typeText([type]: InputConfig): string {
  if (typeof type === "string") return type;
  return type.length > MOST_LISTED ? `(list of length ${type.length})` : repr(type);
}

type Coerced = { readonly value: unknown } | { readonly problem: string };

function coerce(type: InputSpec["type"], raw: unknown, isCheckedElsewhere: boolean): Coerced {
  // Ours: such numbers cannot be sent on as JSON.
  if (typeof raw === "number" && !Number.isFinite(raw)) return { problem: "the number is not finite" };
  switch (type) {
    case "INT":
      return toInt(raw);
    case "FLOAT":
      return toFloat(raw);
    case "STRING":
      return { value: str(raw) };
    case "BOOLEAN":
      return { value: isTrue(raw) };
    case "COMBO":
      // A list refuses what is no text; a node's own check may count on it.
      if (isCheckedElsewhere && typeof raw !== "string") return { problem: `not a text but ${kind(raw)}` };
      return { value: raw };
    case "IMAGE":
    case "MASK":
      // ComfyUI lets a constant pass here and fails when the node runs.
      return { problem: "it must be linked to another node" };
  }
}

function toInt(raw: unknown): Coerced {
  if (typeof raw === "number") return { value: Math.trunc(raw) + 0 };
  if (typeof raw === "boolean") return { value: Number(raw) };
  if (typeof raw !== "string") {
    return {
      problem: `int() argument must be a string, a bytes-like object or a real number, not '${kind(raw)}'`,
    };
  }
  const value = /^[+-]?\d+$/.test(raw.trim()) ? Number(raw) : undefined;
  if (value === undefined) return { problem: `invalid literal for int() with base 10: ${repr(raw)}` };
  return Number.isFinite(value) ? { value: value + 0 } : { problem: "the number is not finite" };
}

function toFloat(raw: unknown): Coerced {
  if (typeof raw === "number") return { value: raw };
  if (typeof raw === "boolean") return { value: Number(raw) };
  if (typeof raw !== "string") {
    return { problem: `float() argument must be a string or a real number, not '${kind(raw)}'` };
  }
  const text = raw.trim();
  if (/^[+-]?(inf|infinity|nan)$/i.test(text)) return { problem: "the number is not finite" };
  const value = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
  if (value === undefined) return { problem: `could not convert string to float: ${repr(raw)}` };
  return Number.isFinite(value) ? { value } : { problem: "the number is not finite" };
}

/** Python's truth: anything that is neither zero nor empty. */
function isTrue(raw: unknown): boolean {
  if (Array.isArray(raw)) return raw.length > 0;
  return isObject(raw) ? Object.keys(raw).length > 0 : Boolean(raw);
}

/** The name of Python's type for a JSON value. */
function kind(raw: unknown): string {
  if (raw === null || raw === undefined) return "NoneType";
  if (Array.isArray(raw)) return "list";
  if (typeof raw === "object") return "dict";
  if (typeof raw === "number") return Number.isInteger(raw) ? "int" : "float";
  return typeof raw === "boolean" ? "bool" : "str";
}

/** Python's str(). The value must not be nested deeply. */
function str(raw: unknown): string {
  return typeof raw === "string" ? raw : repr(raw);
}

/** Python's repr(). The value must not be nested deeply. */
export function repr(raw: unknown): string {
  if (typeof raw === "string") {
    const quote = raw.includes("'") && !raw.includes('"') ? '"' : "'";
    const escaped = raw
      .replaceAll("\\", "\\\\")
      .replaceAll("\n", "\\n")
      .replaceAll("\r", "\\r")
      .replaceAll("\t", "\\t");
    return `${quote}${quote === "'" ? escaped.replaceAll("'", "\\'") : escaped}${quote}`;
  }
  if (typeof raw === "boolean") return raw ? "True" : "False";
  if (Array.isArray(raw)) return `[${raw.map(repr).join(", ")}]`;
  if (isObject(raw)) {
    return `{${Object.entries(raw)
      .map(([key, value]) => `${repr(key)}: ${repr(value)}`)
      .join(", ")}}`;
  }
  return raw === null || raw === undefined ? "None" : String(raw);
}

function float(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** JSON has no words for such numbers, and null would not say what came. */
function finite(raw: unknown): unknown {
  return typeof raw === "number" && !Number.isFinite(raw) ? String(raw) : raw;
}
