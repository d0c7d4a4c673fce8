// ICC profiles: what the levels of a file mean. Owns: reading profile bytes, without trusting them.
// Must never: convert pixels; a profile that is more than a matrix and curves is left to libvips.
import { createHash } from "node:crypto";
import { type ColourSpace, type Curve, isLikeSrgb, spaceFromColorants, spaceFromGrey } from "./space.ts";

export interface Profile {
  readonly name: string;
  readonly kind: "rgb" | "grey" | "cmyk" | "other";
  /** What levels mean, where three curves and a matrix (or one curve, for grey) say it all. */
  readonly space: ColourSpace | undefined;
  /** It describes sRGB, whatever it is called. */
  readonly isSrgb: boolean;
}

/** Reads a profile; undefined where it is not whole: wrong length, no "acsp" signature, tags outside of it. */
export function readProfile(icc: Buffer): Profile | undefined {
  if (icc.length < 132 || icc.toString("latin1", 36, 40) !== "acsp" || icc.readUInt32BE(0) > icc.length) {
    return undefined;
  }
  const count = icc.readUInt32BE(128);
  if (count === 0 || 132 + count * 12 > icc.length) return undefined;
  const tags = new Map<string, Buffer>();
  for (let tag = 0; tag < count; tag++) {
    const at = 132 + tag * 12;
    const offset = icc.readUInt32BE(at + 4);
    const length = icc.readUInt32BE(at + 8);
    if (offset + length > icc.length) return undefined;
    tags.set(icc.toString("latin1", at, at + 4), icc.subarray(offset, offset + length));
  }
  const kind = KINDS[icc.toString("latin1", 16, 20)] ?? "other";
  const id = createHash("sha256").update(icc).digest("hex");
  const space = kind === "rgb" ? rgbSpace(tags, id) : kind === "grey" ? greySpace(tags, id) : undefined;
  return {
    name: describe(tags.get("desc")) || "unnamed profile",
    kind,
    space,
    isSrgb: space !== undefined && kind === "rgb" && isLikeSrgb(space),
  };
}

const KINDS: Record<string, Profile["kind"]> = { "RGB ": "rgb", GRAY: "grey", CMYK: "cmyk" };

function rgbSpace(tags: ReadonlyMap<string, Buffer>, id: string): ColourSpace | undefined {
  if (tags.has("A2B0")) return undefined; // a table, which takes precedence over the matrix
  const colorants = ["rXYZ", "gXYZ", "bXYZ"].map((name) => readXyz(tags.get(name)));
  const curves = ["rTRC", "gTRC", "bTRC"].map((name) => readCurve(tags.get(name)));
  const [red, green, blue] = colorants;
  const [redCurve, greenCurve, blueCurve] = curves;
  if (!red || !green || !blue || !redCurve || !greenCurve || !blueCurve) return undefined;
  return spaceFromColorants(id, [red, green, blue], [redCurve, greenCurve, blueCurve]);
}

function greySpace(tags: ReadonlyMap<string, Buffer>, id: string): ColourSpace | undefined {
  const curve = tags.has("A2B0") ? undefined : readCurve(tags.get("kTRC"));
  return curve && spaceFromGrey(id, curve);
}

function readXyz(tag: Buffer | undefined): readonly [number, number, number] | undefined {
  if (tag === undefined || tag.length < 20 || tag.toString("latin1", 0, 4) !== "XYZ ") return undefined;
  return [fixed(tag, 8), fixed(tag, 12), fixed(tag, 16)];
}

function fixed(tag: Buffer, at: number): number {
  return tag.readInt32BE(at) / 65536;
}

/** How many numbers follow each function type of a parametric curve. */
const PARAMETERS = [1, 3, 4, 5, 7];

/** A tone curve, from "curv" (gamma or table) or "para"; undefined where it is damaged or does not rise. */
function readCurve(tag: Buffer | undefined): Curve | undefined {
  if (tag === undefined || tag.length < 12) return undefined;
  const type = tag.toString("latin1", 0, 4);
  const curve = type === "curv" ? sampledCurve(tag) : type === "para" ? parametricCurve(tag) : undefined;
  return curve !== undefined && rises(curve) ? curve : undefined;
}

function sampledCurve(tag: Buffer): Curve | undefined {
  const count = tag.readUInt32BE(8);
  if (count > 65536 || tag.length < 12 + count * 2) return undefined;
  if (count === 0) return (level) => level;
  if (count === 1) {
    const gamma = tag.readUInt16BE(12) / 256;
    return (level) => level ** gamma;
  }
  const table = Float64Array.from({ length: count }, (_, i) => tag.readUInt16BE(12 + i * 2) / 65535);
  return (level) => {
    const place = level * (count - 1);
    const first = Math.min(count - 2, Math.floor(place));
    return table[first]! + (table[first + 1]! - table[first]!) * (place - first);
  };
}

function parametricCurve(tag: Buffer): Curve | undefined {
  const type = tag.readUInt16BE(8);
  const count = PARAMETERS[type];
  if (count === undefined || tag.length < 12 + count * 4) return undefined;
  const [g = 1, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = Array.from({ length: count }, (_, i) =>
    fixed(tag, 12 + i * 4),
  );
  const power = (level: number) => Math.max(0, a * level + b) ** g;
  switch (type) {
    case 0:
      return (level) => level ** g;
    case 1:
      return power;
    case 2:
      return (level) => power(level) + c;
    case 3:
      return (level) => (level >= d ? power(level) : c * level);
    default:
      return (level) => (level >= d ? power(level) + e : c * level + f);
  }
}

function rises(curve: Curve): boolean {
  let last = curve(0);
  if (!(Math.abs(last) < 0.01) || !(Math.abs(curve(1) - 1) < 0.01)) return false;
  for (let i = 1; i <= 256; i++) {
    const next = curve(i / 256);
    if (!(next >= last - 1e-4)) return false;
    last = next;
  }
  return true;
}

/** Text of an ICC v2 "desc" or v4 "mluc" element. */
function describe(tag: Buffer | undefined): string {
  const type = tag?.toString("latin1", 0, 4);
  if (tag === undefined) return "";
  if (type === "desc" && tag.length > 12) {
    return tag.toString("latin1", 12, Math.min(tag.length, 12 + tag.readUInt32BE(8))).replace(/\0.*$/s, "");
  }
  if (type === "mluc" && tag.length >= 28) {
    const length = tag.readUInt32BE(20);
    const offset = tag.readUInt32BE(24);
    if (offset + length > tag.length) return "";
    return Buffer.from(tag.subarray(offset, offset + (length & ~1)))
      .swap16()
      .toString("utf16le");
  }
  return "";
}
