// White balance, saturation and reference colours: that they do to colours what they say. That they leave lightness is
// in photographic.test.ts.
import { expect, test } from "vitest";
import { type LabPlanes, type Picture, readLab } from "../../imaging/index.ts";
import { pictureOf, runNode } from "../testing.ts";
import { referenceColours } from "./reference-colours.ts";
import { saturation } from "./saturation.ts";
import { whiteBalance } from "./white-balance.ts";

const neutral = { temperature: 0, tint: 0, auto: 0 };
const planes = (picture: Picture) => readLab(picture, 0, picture.height);
const mean = (plane: Float32Array) => plane.reduce((sum, value) => sum + value, 0) / plane.length;
const deviation = (plane: Float32Array) => {
  const middle = mean(plane);
  return Math.sqrt(mean(plane.map((value) => (value - middle) ** 2)));
};
const chroma = ({ a, b }: LabPlanes) => a.map((value, i) => Math.hypot(value, b[i]!));

/** Greys from dark to light. */
const greys = pictureOf(60, 20, (x) => 40 + 3 * x);
/** Colours around the wheel, between pale and strong. */
const colours = pictureOf(60, 40, (x, y, channel) =>
  Math.round(120 + (10 + 1.5 * y) * Math.cos((2 * Math.PI * (x / 60 + channel / 3)) / 1)),
);

test("warm is golden, cool is blue; green and magenta are opposite", async () => {
  const at = async (change: Partial<typeof neutral>) => {
    const [[result]] = await runNode(whiteBalance, { image: [greys], ...neutral, ...change });
    const { a, b } = await planes(result!);
    return { a: mean(a), b: mean(b) };
  };
  const [warm, cool] = [await at({ temperature: 1 }), await at({ temperature: -1 })];
  expect(warm.b).toBeGreaterThan(10);
  expect(cool.b).toBeLessThan(-10);
  const [magenta, green] = [await at({ tint: 1 }), await at({ tint: -1 })];
  expect(magenta.a).toBeGreaterThan(10);
  expect(green.a).toBeLessThan(-10);
  expect(Math.abs(magenta.b)).toBeLessThan(magenta.a / 2);
});

test("automatic takes a cast away, as far as is asked", async () => {
  const cast = pictureOf(60, 40, (x, _y, channel) => Math.round((60 + 2.5 * x) * [1, 0.85, 0.6][channel]!));
  const before = mean(chroma(await planes(cast)));
  expect(before).toBeGreaterThan(20);
  const [[whole]] = await runNode(whiteBalance, { image: [cast], ...neutral, auto: 1 });
  expect(mean(chroma(await planes(whole!)))).toBeLessThan(2);
  const [[half]] = await runNode(whiteBalance, { image: [cast], ...neutral, auto: 0.5 });
  const left = mean(chroma(await planes(half!))) / before;
  expect(left).toBeGreaterThan(0.35);
  expect(left).toBeLessThan(0.65);
});

test("saturation multiplies every colour alike; −1 is exactly grey; hues stay", async () => {
  const before = await planes(colours);
  const [[half]] = await runNode(saturation, { image: [colours], saturation: -0.5, vibrance: 0 });
  const after = await planes(half!);
  const strength = chroma(before);
  const ratios = chroma(after).map((value, i) => value / strength[i]!);
  for (const ratio of ratios) expect(Math.abs(ratio - 0.5)).toBeLessThan(0.1);
  for (let i = 0; i < before.a.length; i++) {
    // Hues of pale colours are at the mercy of 8 bits.
    if (strength[i]! < 20) continue;
    const turn = Math.atan2(after.b[i]!, after.a[i]!) - Math.atan2(before.b[i]!, before.a[i]!);
    expect(Math.abs(Math.sin(turn))).toBeLessThan(0.1);
  }
  const [[none]] = await runNode(saturation, { image: [colours], saturation: -1, vibrance: 0 });
  expect(chroma(await planes(none!)).every((value) => value === 0)).toBe(true);
});

test("vibrance moves pale colours more than strong ones, and never past them", async () => {
  const ramp = pictureOf(60, 4, (x, _y, channel) => 128 + [x, 0, -x][channel]!);
  const [[result]] = await runNode(saturation, { image: [ramp], saturation: 0, vibrance: 1 });
  const [before, after] = [chroma(await planes(ramp)), chroma(await planes(result!))];
  expect(after[5]! / before[5]!).toBeGreaterThan(1.7);
  expect(after[55]! / before[55]!).toBeLessThan(1.4);
  for (let x = 1; x < 60; x++) expect(after[x]!).toBeGreaterThan(after[x - 1]! - 1);
});

test("mean and deviation of the colours become the reference's", async () => {
  const reference = pictureOf(80, 60, (x, y, channel) => {
    const shade = 60 + 1.2 * x + 0.8 * y;
    return Math.round(shade * [1, 0.86 + 0.08 * Math.sin(x), 0.72 + 0.1 * Math.cos(x + y)][channel]!);
  });
  const image = pictureOf(80, 60, (x, y, channel) =>
    Math.round((50 + 1.3 * x + 0.8 * y) * [0.8, 0.9, 1 + 0.05 * Math.sin(x * y)][channel]!),
  );
  const [wanted, before] = [await planes(reference), await planes(image)];
  const [[result]] = await runNode(referenceColours, { image: [image], reference: [reference], strength: 1 });
  const after = await planes(result!);
  for (const channel of ["a", "b"] as const) {
    const gap = Math.abs(mean(before[channel]) - mean(wanted[channel]));
    expect(gap).toBeGreaterThan(3);
    expect(Math.abs(mean(after[channel]) - mean(wanted[channel]))).toBeLessThan(0.15 * gap);
    expect(Math.abs(deviation(after[channel]) / deviation(wanted[channel]) - 1)).toBeLessThan(0.4);
  }
  const [[half]] = await runNode(referenceColours, { image: [image], reference: [reference], strength: 0.5 });
  const middle = (mean(before.b) + mean(wanted.b)) / 2;
  expect(Math.abs(mean((await planes(half!)).b) - middle)).toBeLessThan(2);
});

test("shadows take their colour from shadows, lights from lights", async () => {
  // Blue shadows, golden lights.
  const reference = pictureOf(80, 20, (x, _y, channel) =>
    x < 40 ? [30, 40, 80][channel]! : [230, 210, 150][channel]!,
  );
  const image = pictureOf(80, 20, (x) => (x < 40 ? 45 : 210));
  const [[result]] = await runNode(referenceColours, { image: [image], reference: [reference], strength: 1 });
  const { b } = await planes(result!);
  expect(b[10]).toBeLessThan(-8);
  expect(b[70]).toBeGreaterThan(15);
});
