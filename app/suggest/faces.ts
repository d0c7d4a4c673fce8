// Faces in what the network gave: boxes from numbers, and one box for each face.
// Must never: run the network, or decide what faces mean.
import type { Values } from "../colorize/index.ts";

/** A rectangle in pixels and how sure the network is of a face in it, 0–1. */
export interface Face {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly score: number;
}

/** Pixels of the network's picture to one of its cells. */
const CELL = 4;
/** Numbers of each cell: the centre's offset from the cell's own, width and height; then points of the face, unused here. */
const NUMBERS = 16;
/** Two boxes are one face where they share so much of what both cover, or of the smaller one. */
const SHARED = 0.3;
const INSIDE = 0.6;

/**
 * Boxes of one run.
 * @param boxes cells × 16; offsets and sizes in pixels of the network's picture, cells row by row
 * @param scores one a cell, before the sigmoid
 * @param columns cells in a row
 * @param scale pixels of the photograph to one of the network's picture
 * @param least the score from which a box is given, 0–1
 */
export function decodeFaces(
  { boxes, scores }: { readonly boxes: Values["data"]; readonly scores: Values["data"] },
  columns: number,
  scale: number,
  least: number,
): Face[] {
  const faces: Face[] = [];
  for (const [cell, raw] of scores.entries()) {
    const score = 1 / (1 + Math.exp(-raw));
    const at = cell * NUMBERS;
    const width = boxes[at + 2]! * scale;
    const height = boxes[at + 3]! * scale;
    if (score < least || !(width > 0) || !(height > 0)) continue;
    const x = (((cell % columns) + 0.5) * CELL + boxes[at]!) * scale - width / 2;
    const y = ((Math.floor(cell / columns) + 0.5) * CELL + boxes[at + 1]!) * scale - height / 2;
    faces.push({ x, y, width, height, score });
  }
  return faces;
}

/** One box for each face, the surest: of boxes that lie over one another the others are dropped. Surest first. */
export function distinctFaces(faces: readonly Face[]): Face[] {
  const kept: Face[] = [];
  for (const face of [...faces].sort((one, other) => other.score - one.score)) {
    if (!kept.some((other) => isSame(face, other))) kept.push(face);
  }
  return kept;
}

/** Whether two boxes are of one face. */
export function isSame(one: Face, other: Face): boolean {
  const width = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
  const height = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  if (width <= 0 || height <= 0) return false;
  const shared = width * height;
  const [area, otherArea] = [one.width * one.height, other.width * other.height];
  return shared >= SHARED * (area + otherArea - shared) || shared >= INSIDE * Math.min(area, otherArea);
}

/** The part of a box within a picture of this size; undefined where nothing of it is. */
export function within(face: Face, width: number, height: number): Face | undefined {
  const x = Math.max(0, face.x);
  const y = Math.max(0, face.y);
  const right = Math.min(width, face.x + face.width);
  const bottom = Math.min(height, face.y + face.height);
  return right > x && bottom > y ? { ...face, x, y, width: right - x, height: bottom - y } : undefined;
}
