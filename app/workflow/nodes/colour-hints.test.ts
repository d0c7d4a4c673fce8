import { describe, expect, test } from "vitest";
import { type Picture, readLab, rgbToLab } from "../../imaging/index.ts";
import { maskOf, pictureOf, runNode } from "../testing.ts";
import { colourHints } from "./colour-hints.ts";

const [width, height] = [160, 120];
const grain = (x: number, y: number) => ((x * 7919 + y * 104729 + x * y * 13) % 7) - 3;
/** A light coat (a disc) before a dark wall, both with shading and grain. */
const inCoat = (x: number, y: number) => Math.hypot(x - 80, y - 60) < 40;
const scene = pictureOf(width, height, (x, y) => (inCoat(x, y) ? 150 + x / 4 : 60 + y / 5) + grain(x, y));

const settings = { points: "", colour: "#5b7fae", reach: 1, strength: 1, mask: undefined };
const [, blueA, blueB] = rgbToLab(0x5b / 255, 0x7f / 255, 0xae / 255);

/** Mean a and b of the pixels that fulfil a condition, some pixels away from the coat's edge. */
async function colourWhere(picture: Picture, isSo: (x: number, y: number) => boolean) {
  const { a, b } = await readLab(picture, 0, picture.height);
  let [sumA, sumB, count] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    if (!isSo(i % picture.width, Math.floor(i / picture.width))) continue;
    sumA += a[i]!;
    sumB += b[i]!;
    count++;
  }
  return { a: sumA / count, b: sumB / count };
}
const coat = (picture: Picture) => colourWhere(picture, (x, y) => Math.hypot(x - 80, y - 60) < 36);
const wall = (picture: Picture) => colourWhere(picture, (x, y) => Math.hypot(x - 80, y - 60) > 44);
const close = (value: { a: number; b: number }, a: number, b: number) => Math.hypot(value.a - a, value.b - b);

test("a point colours its region and stops at the edge", async () => {
  const [[result]] = await runNode(colourHints, { ...settings, image: [scene], points: "0.5,0.5,#5b7fae" });
  expect(close(await coat(result!), blueA, blueB)).toBeLessThan(3);
  expect(close(await wall(result!), 0, 0)).toBeLessThan(1);
  // Exactly at the edge: three pixels inside it is blue, three pixels outside it is not.
  const ring = (from: number) =>
    colourWhere(result!, (x, y) => Math.abs(Math.hypot(x - 80, y - 60) - from) < 0.7);
  expect(close(await ring(36.5), blueA, blueB)).toBeLessThan(6);
  expect(close(await ring(43.5), 0, 0)).toBeLessThan(4);
});

test("two points: each region has its own", async () => {
  const points = " 0.5 , 0.5 , #5B7FAE \n\n0.05,0.05,#a04030\r\n";
  const [[result]] = await runNode(colourHints, { ...settings, image: [scene], points });
  const [, redA, redB] = rgbToLab(0xa0 / 255, 0x40 / 255, 0x30 / 255);
  expect(close(await coat(result!), blueA, blueB)).toBeLessThan(4);
  const around = await wall(result!);
  expect(Math.atan2(around.b, around.a)).toBeCloseTo(Math.atan2(redB, redA), 0);
  expect(around.a).toBeGreaterThan(redA / 2);
});

test("a stroke of a mask is enough, whatever the mask's size", async () => {
  const stroke = maskOf(64, 48, (x, y) => (y === 24 && x > 28 && x < 36 ? 255 : 0));
  const [[result]] = await runNode(colourHints, { ...settings, image: [scene], mask: [stroke] });
  expect(close(await coat(result!), blueA, blueB)).toBeLessThan(4);
  expect(close(await wall(result!), 0, 0)).toBeLessThan(1);
});

test("other colours stay, where no hint reaches", async () => {
  const coloured = pictureOf(width, height, (x, y, channel) =>
    Math.round((inCoat(x, y) ? 190 : 70) * [1, 0.9, 0.7][channel]!),
  );
  const before = await wall(coloured);
  const [[result]] = await runNode(colourHints, {
    ...settings,
    image: [coloured],
    points: "0.5,0.5,#5b7fae",
  });
  expect(close(await wall(result!), before.a, before.b)).toBeLessThan(1);
  expect(close(await coat(result!), blueA, blueB)).toBeLessThan(4);
});

test("the reach limits how far a colour goes over an even surface; strength how strong it is", async () => {
  const even = pictureOf(width, height, () => 130);
  const points = "0,0.5,#5b7fae";
  const near = (x: number) => x < 10;
  const far = (x: number) => x > 60;
  const [[result]] = await runNode(colourHints, { ...settings, image: [even], points, reach: 0.3 });
  expect(
    close(await colourWhere(result!, (x, y) => near(x) && Math.abs(y - 60) < 10), blueA, blueB),
  ).toBeLessThan(2);
  expect(close(await colourWhere(result!, far), 0, 0)).toBe(0);
  const [[half]] = await runNode(colourHints, {
    ...settings,
    image: [even],
    points,
    reach: 0.3,
    strength: 0.5,
  });
  const middle = await colourWhere(half!, (x, y) => near(x) && Math.abs(y - 60) < 10);
  expect(close(middle, blueA / 2, blueB / 2)).toBeLessThan(2);
});

test("on a picture much larger than the copy, colour still ends at the edge", async () => {
  const large = pictureOf(2000, 300, (x) => (x < 1003 ? 90 : 170));
  const [[result]] = await runNode(colourHints, { ...settings, image: [large], points: "0.4,0.5,#5b7fae" });
  expect(close(await colourWhere(result!, (x) => x > 990 && x < 1002), blueA, blueB)).toBeLessThan(3);
  expect(close(await colourWhere(result!, (x) => x > 1004 && x < 1020), 0, 0)).toBeLessThan(2);
});

describe("what is wrong with hints is said", () => {
  test.each([
    ["0.5,0.5", "line 1"],
    ["0.5,0.5,#5b7fae\n0.5;0.5;#5b7fae", "line 2"],
    ["0.5,1.5,#5b7fae", "line 1"],
    ["-0.1,0.5,#5b7fae", "line 1"],
    ["0.5,,#5b7fae", "line 1"],
    ["0.5,0.5,blue", "line 1"],
    ["0.5,0.5,#5b7fae,1", "line 1"],
    ["0.5,NaN,#5b7fae", "line 1"],
    ["0.1,0.1,#5b7fae\n".repeat(201), "201 points"],
  ])("%j", async (points, words) => {
    const world = {} as Parameters<NonNullable<typeof colourHints.check>>[1];
    expect(colourHints.check?.({ points, colour: "#000000" }, world)).toContain(words);
    await expect(runNode(colourHints, { ...settings, image: [scene], points })).rejects.toMatchObject({
      code: "workflow-invalid",
    });
  });

  test("a colour that is none", () => {
    const world = {} as Parameters<NonNullable<typeof colourHints.check>>[1];
    expect(colourHints.check?.({ points: "", colour: "red" }, world)).toContain("red");
    expect(colourHints.check?.({ points: "0,1,#FFFFFF", colour: "#abcdef" }, world)).toBeUndefined();
    expect(colourHints.check?.({}, world)).toBeUndefined();
  });
});
