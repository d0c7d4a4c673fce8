// How much memory a network needs, before it is run: a refusal in words is better than a computer that stands still.
// Must never: start anything.
import { freemem, totalmem } from "node:os";
import type { Model } from "../modelstore/index.ts";

/**
 * Bytes per pixel of the network's input, from peaks measured on the CPU with fp32 arithmetic (tiny: 1.6 GB at 512², 8.2 GB
 * at 1280²; large: 2.6 GB at 512², 8.2 GB at 960²; ours: 0.7 GB at 1024²). An unknown network is taken for a large one.
 */
const PER_PIXEL: Readonly<Record<Model["architecture"], number>> = {
  "autochrome-small": 500,
  "ddcolor-tiny": 4800,
  "ddcolor-large": 7000,
  unknown: 7000,
};
/** The file as it is read, and its weights in the session. */
const COPIES = 2;
/** What the process takes without any network. */
const PROCESS = 140e6;

/** Bytes that a process needs which runs this model at this size, about. */
export function memoryNeeded(model: Model, pixels: number): number {
  return PROCESS + COPIES * model.size + PER_PIXEL[model.architecture] * pixels;
}

/** The largest side, a multiple of 32, of a square that a model can be run at within so many bytes; 0: none. */
export function largestSide(model: Model, bytes: number): number {
  const pixels = (bytes - memoryNeeded(model, 0)) / PER_PIXEL[model.architecture];
  return pixels <= 0 ? 0 : 32 * Math.floor(Math.sqrt(pixels) / 32);
}

/** Bytes that a new process could have now. */
export function memoryAvailable(): number {
  // Linux says what can be had, containers' limits included; elsewhere "free" leaves out what the system would give back.
  return process.platform === "linux" ? process.availableMemory() : Math.max(freemem(), 0.6 * totalmem());
}
