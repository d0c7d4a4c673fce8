// From faces and lines to a preset, with the reason in words. Must never: look at pixels.
import type { Face } from "./faces.ts";

/** Aliases of presets; see app/workflow/presets.ts. */
export type SuggestedPreset = "portrait" | "group" | "building" | "quick";

export interface Suggestion {
  readonly preset: SuggestedPreset;
  /** One sentence. */
  readonly why: { readonly en: string; readonly zh: string };
  /**
   * 0–1, and no probability. People: how sure the network is of the face that decided. Otherwise how far the lines are from
   * the threshold: 0.5 at it.
   */
  readonly confidence: number;
  /** In pixels of the upright photograph, surest first. */
  readonly faces: readonly Face[];
  /** Upright and level edges, 0–0.5; see lines.ts. */
  readonly straightness: number;
}

// Found on the development photographs; models/subject/README.md has the figures.
/** A face decides from this score on; further ones count from the score on at which they are given at all. */
const SURE = 0.55;
/** Faces narrower than this share of the photograph's longer side are passers-by. */
const LEAST_SHARE = 0.015;
/** So wide a face makes a photograph one of people. */
const LARGE_SHARE = 0.03;
/** From so many faces on it is a group. */
const GROUP = 4;
const STRAIGHT = 0.13;

/**
 * @param faces in pixels of the photograph
 * @param straightness see lines.ts
 * @param longSide of the photograph, in pixels
 */
export function decide(faces: readonly Face[], straightness: number, longSide: number): Suggestion {
  const sorted = [...faces].sort((one, other) => other.score - one.score);
  const counted = sorted.filter(({ width }) => width >= LEAST_SHARE * longSide);
  const large = counted.find(({ width, score }) => score >= SURE && width >= LARGE_SHARE * longSide);
  const found = { faces: sorted, straightness };
  const [surest] = counted;
  if (surest !== undefined && surest.score >= SURE && counted.length >= GROUP) {
    return {
      preset: "group",
      why: groupWords(counted.length),
      confidence: counted[GROUP - 1]!.score,
      ...found,
    };
  }
  if (large !== undefined) {
    const widest = Math.max(...counted.map(({ width }) => width));
    const percent = Math.round((100 * widest) / longSide);
    return {
      preset: "portrait",
      why: peopleWords(counted.length, percent),
      confidence: large.score,
      ...found,
    };
  }
  const beyond = Math.min(1, straightness / (2 * STRAIGHT));
  if (straightness >= STRAIGHT) {
    return { preset: "building", why: BUILDING, confidence: beyond, ...found };
  }
  return { preset: "quick", why: QUICK, confidence: 1 - beyond, ...found };
}

function groupWords(count: number): Suggestion["why"] {
  return {
    en: `${count} faces found: at a larger size each gets its share of colour.`,
    zh: `找到${count}张人脸：用更大的尺寸上色，能照顾到每张脸。`,
  };
}

function peopleWords(count: number, percent: number): Suggestion["why"] {
  if (count === 1) {
    return {
      en: `One face found; its width is ${percent} % of the photo's longer side.`,
      zh: `找到1张人脸，宽度约为照片长边的${percent}%。`,
    };
  }
  return {
    en: `${count} faces found; the width of the largest is ${percent} % of the photo's longer side.`,
    zh: `找到${count}张人脸，最大的一张宽度约为照片长边的${percent}%。`,
  };
}

const BUILDING: Suggestion["why"] = {
  en: "No large face, but many upright and level edges, as buildings have.",
  zh: "没有较大的人脸，但有许多竖直和水平的边缘，像是建筑。",
};

const QUICK: Suggestion["why"] = {
  en: "No large face, and few upright and level edges: neither people nor buildings stand out.",
  zh: "没有较大的人脸，竖直和水平的边缘也不多：看不出以人物或建筑为主。",
};
