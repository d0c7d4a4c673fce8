// Pictures as planes of CIE Lab and back, strip by strip, for filters that work on lightness or colour.
//
// Owns: what a picture's levels are in Lab, in its own colour space, and how planes become levels again: where a colour
// does not exist in that space its chroma is reduced, never its lightness.
// Must never: hold more than a strip of a large picture, or touch alpha.
import {
  BISECTIONS,
  FOOT_END,
  invert,
  lightnessOf,
  luminanceOf,
  multiply,
  pivot,
  SLACK,
  unpivot,
  XYZ_TO_RGB,
} from "./lab.ts";
import {
  descriptionOf,
  levelsFrom,
  mapRows,
  type Picture,
  reading,
  type Samples,
  spacesOf,
  topOf,
  toSharp,
  type Workplace,
} from "./picture.ts";
import { leveller, levelTablesFor } from "./space.ts";

/** Rows of a picture; every plane has width × height values. */
export interface LabPlanes {
  readonly width: number;
  readonly height: number;
  /** L*, 0–100. */
  readonly L: Float32Array;
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** Rows of a picture with their neighbours above and below. */
export interface LabStrip extends LabPlanes {
  /** The place of the first row in the picture; rows beyond the picture are not there. */
  readonly y: number;
}

type Described = Pick<Picture, "channels" | "bitDepth" | "profile">;

/** Levels ↔ Lab for pictures of this description. */
export interface LabConverter {
  /** @param rows whole rows, interleaved, with or without alpha as described */
  toLab(rows: Samples, width: number): LabPlanes;
  /** Writes the colours of planes, from their row `first` on, into all of `rows`. */
  fromLab(planes: LabPlanes, first: number, rows: Samples): void;
}

/** What goes to Lab and back is unchanged with 8 bits; with 16 it is within a level or a millionth of full light. */
export function labConverter({ channels, bitDepth, ...described }: Described): LabConverter {
  const { space } = spacesOf(described);
  const top = topOf({ bitDepth });
  const [red, green, blue] = space.curves.map((curve) =>
    Float64Array.from({ length: top + 1 }, (_, level) => curve(level / top)),
  ) as [Float64Array, Float64Array, Float64Array];
  // From (X/Xn, Y, Z/Zn) to linear components of the space. The rows of both matrices add up to 1.
  const fromXyz = space.fromSrgb === undefined ? [...XYZ_TO_RGB] : multiply(space.fromSrgb, XYZ_TO_RGB);
  const [x0 = 0, x1 = 0, x2 = 0, y0 = 0, y1 = 0, y2 = 0, z0 = 0, z1 = 0, z2 = 0] = invert(fromXyz);
  const [r0 = 0, r1 = 0, r2 = 0, g0 = 0, g1 = 0, g2 = 0, b0 = 0, b1 = 0, b2 = 0] = fromXyz;
  const tables = levelTablesFor(space, bitDepth);
  const levelOf = leveller(bitDepth);
  const exists = (x: number, y: number, z: number): boolean => {
    const red = r0 * x + r1 * y + r2 * z;
    if (red < -SLACK || red > 1 + SLACK) return false;
    const green = g0 * x + g1 * y + g2 * z;
    if (green < -SLACK || green > 1 + SLACK) return false;
    const blue = b0 * x + b1 * y + b2 * z;
    return blue >= -SLACK && blue <= 1 + SLACK;
  };
  /** As gamutFactorAt in lab.ts, for this space. */
  const chromaThatFits = (y: number, fy: number, da: number, db: number): number => {
    if (exists(unpivot(fy + da), y, unpivot(fy - db))) return 1;
    let low = 0;
    let high = 1;
    for (let step = 0; step < BISECTIONS; step++) {
      const middle = (low + high) / 2;
      if (exists(unpivot(fy + da * middle), y, unpivot(fy - db * middle))) low = middle;
      else high = middle;
    }
    return low;
  };

  return {
    toLab(rows, width) {
      const size = rows.length / channels;
      const [L, a, b] = [new Float32Array(size), new Float32Array(size), new Float32Array(size)];
      for (let i = 0, at = 0; i < size; i++, at += channels) {
        const lightR = red[rows[at]!]!;
        const lightG = green[rows[at + 1]!]!;
        const lightB = blue[rows[at + 2]!]!;
        // Neutral is exactly neutral.
        if (lightR === lightG && lightG === lightB) {
          L[i] = lightnessOf(lightR);
          continue;
        }
        const y = y0 * lightR + y1 * lightG + y2 * lightB;
        const fy = pivot(y);
        L[i] = Math.min(100, Math.max(0, lightnessOf(y)));
        a[i] = 500 * (pivot(x0 * lightR + x1 * lightG + x2 * lightB) - fy);
        b[i] = 200 * (fy - pivot(z0 * lightR + z1 * lightG + z2 * lightB));
      }
      return { width, height: size / width, L, a, b };
    },
    fromLab({ width, L, a, b }, first, rows) {
      for (let i = first * width, at = 0; at < rows.length; i++, at += channels) {
        const y = luminanceOf(Math.min(100, Math.max(0, L[i]!)));
        if (a[i] === 0 && b[i] === 0) {
          rows[at] = levelOf(y, tables.red);
          rows[at + 1] = levelOf(y, tables.green);
          rows[at + 2] = levelOf(y, tables.blue);
          continue;
        }
        const fy = pivot(y);
        const da = a[i]! / 500;
        const db = b[i]! / 200;
        const factor = chromaThatFits(y, fy, da, db);
        const x = unpivot(fy + da * factor);
        const z = unpivot(fy - db * factor);
        rows[at] = levelOf(r0 * x + r1 * y + r2 * z, tables.red);
        rows[at + 1] = levelOf(g0 * x + g1 * y + g2 * z, tables.green);
        rows[at + 2] = levelOf(b0 * x + b1 * y + b2 * z, tables.blue);
      }
    },
  };
}

/** Rows y … y+count−1 of a picture in Lab. */
export async function readLab(
  picture: Picture,
  y: number,
  count: number,
  converter: LabConverter = labConverter(picture),
): Promise<LabPlanes> {
  return reading([picture], async (reader) => converter.toLab(await reader.read(y, count), picture.width));
}

/** A small copy of a picture in Lab, for what needs all of it at once. @param side the longer side at most, pixels */
export async function smallLab(picture: Picture, side: number): Promise<LabPlanes> {
  const { bitDepth, profile } = picture;
  const pipeline = toSharp(picture)
    .removeAlpha()
    .resize(side, side, { fit: "inside", withoutEnlargement: true });
  const { samples, width } = await levelsFrom(pipeline, bitDepth);
  const converter = labConverter({ channels: 3, bitDepth, ...(profile === undefined ? {} : { profile }) });
  return converter.toLab(samples, width);
}

/** How {@link mapLab} changes a picture. */
export interface LabChange {
  /** Rows above and below that the change of a row depends on. */
  readonly margin: number;
  /** "chroma": L stays, and with it the picture whose lightness it is; "all": that picture is forgotten. */
  readonly changes: "chroma" | "all";
  /** Changes the planes in place. What becomes of the margins does not matter. */
  readonly edit: (strip: LabStrip) => void | Promise<void>;
  /** Called after each strip with the number of rows that it had. */
  readonly onRows?: (count: number) => void;
}

/** A picture changed in Lab, strip by strip. Profile, origin and making stay. */
export async function mapLab(picture: Picture, place: Workplace, change: LabChange): Promise<Picture> {
  const { margin, changes, edit, onRows } = change;
  const changed = changes === "chroma" ? picture : { ...descriptionOf(picture), data: picture.data };
  const converter = labConverter(picture);
  return reading([picture], (reader) =>
    mapRows<Picture>(changed, place, async (rows, y, count) => {
      const top = Math.max(0, y - margin);
      const bottom = Math.min(picture.height, y + count + margin);
      const planes = converter.toLab(await reader.read(top, bottom - top), picture.width);
      const strip = { ...planes, y: top };
      await edit(strip);
      converter.fromLab(strip, y - top, rows);
      onRows?.(count);
    }),
  );
}

/**
 * Planes seen under another white, in place: X and Z times these factors, Y and so L as they were. It is von Kries' rule
 * in XYZ, which CIE Lab itself uses for its white.
 */
export function changeWhite({ L, a, b }: LabPlanes, xFactor: number, zFactor: number): void {
  const [xRoot, zRoot] = [Math.cbrt(xFactor), Math.cbrt(zFactor)];
  for (let i = 0; i < L.length; i++) {
    const lightness = L[i]!;
    const fy = lightness > 8 ? (lightness + 16) / 116 : pivot(luminanceOf(lightness));
    a[i] = 500 * (pivotTimes(fy + a[i]! / 500, xFactor, xRoot) - fy);
    b[i] = 200 * (fy - pivotTimes(fy - b[i]! / 200, zFactor, zRoot));
  }
}

/** f of `factor` times the light whose f this is; outside f's linear foot a product of cube roots. */
function pivotTimes(f: number, factor: number, root: number): number {
  return f > FOOT_END && f * root > FOOT_END ? f * root : pivot(unpivot(f) * factor);
}

/** How X and Z of planes are to be multiplied so that their mean colour is neutral (Buchsbaum 1980, "grey world"). */
export function greyWorld({ L, a, b }: LabPlanes): { readonly xFactor: number; readonly zFactor: number } {
  let [x, y, z] = [0, 0, 0];
  for (let i = 0; i < L.length; i++) {
    const luminance = luminanceOf(L[i]!);
    const fy = pivot(luminance);
    x += unpivot(fy + a[i]! / 500);
    y += luminance;
    z += unpivot(fy - b[i]! / 200);
  }
  return x > 0 && z > 0 ? { xFactor: y / x, zFactor: y / z } : { xFactor: 1, zFactor: 1 };
}
