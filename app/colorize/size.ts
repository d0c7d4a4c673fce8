// The size at which the network sees a photo. Must never: know what a photo is but its width and height.

import type { Model } from "../modelstore/index.ts";

/** What the sides of the network's input must be multiples of: the encoder halves five times. */
const MULTIPLE = 32;
const SMALLEST = 64;
const LARGEST = 2048;

/** A wished side as a multiple of 32 from 64 to 2048. */
export function roundModelSize(side: number): number {
  return clamp(Math.round(side / MULTIPLE) * MULTIPLE);
}

/**
 * Width and height of the network's input.
 * @param input what sizes the model takes: with a fixed one, nothing else counts
 * @param side of a square; the input has about its area
 * @param keepAspect follow the photo's shape (as far as 1:8); otherwise squeeze it into the square, as the official
 *   pipeline does
 */
export function networkSize(
  input: Model["input"],
  photo: { readonly width: number; readonly height: number },
  side: number,
  keepAspect: boolean,
): { readonly width: number; readonly height: number } {
  if (input.fixed !== undefined) return input.fixed;
  const square = roundModelSize(side);
  if (!keepAspect) return { width: square, height: square };
  const aspect = Math.min(8, Math.max(1 / 8, photo.width / photo.height));
  return {
    width: roundModelSize(square * Math.sqrt(aspect)),
    height: roundModelSize(square / Math.sqrt(aspect)),
  };
}

function clamp(side: number): number {
  return Math.min(LARGEST, Math.max(SMALLEST, side));
}
