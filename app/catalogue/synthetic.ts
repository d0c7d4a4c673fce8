// Made-up catalogues of any size, for tests of the plans that SQLite chooses and for the benchmark.
// Must never: be filled into a library of a user.
import { createHash } from "node:crypto";
import { newId } from "../kernel/index.ts";
import { createAlbum, getAlbum, place } from "./albums.ts";
import type { Library } from "./library.ts";
import type { Photo } from "./photos.ts";
import { insertPhoto } from "./record.ts";
import { indexPhotos } from "./search.ts";

const ONSETS = [
  "b",
  "br",
  "d",
  "f",
  "g",
  "gr",
  "h",
  "k",
  "l",
  "m",
  "n",
  "p",
  "r",
  "s",
  "st",
  "t",
  "tr",
  "v",
  "w",
  "z",
];
const VOWELS = ["a", "e", "i", "o", "u", "ei", "ou"];
const CHINESE = "外婆家的老照片上海北京街道河边学校工厂火车结婚春节父亲母亲";
const CHUNK = 5000;

/** Numbers in [0, 1) that a seed determines. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The word of a rank; rank 0 is the most frequent one. Twenty thousand differ. */
export function syntheticWord(rank: number): string {
  const syllable = (n: number) => (ONSETS[n % 20] ?? "") + (VOWELS[Math.floor(n / 20) % 7] ?? "");
  return `${syllable(rank)}${syllable(Math.floor(rank / 140))}n`;
}

/**
 * Adds photos that differ the way photos of a big archive do: words by Zipf's law, dates of unequal precision, one in
 * twelve in colour, one in three hundred missing. Every tenth photo is in the album "Tenth".
 * @param seed the same seed gives the same catalogue
 */
export function fillSynthetic(library: Library, count: number, seed = 1): void {
  const { db } = library;
  const random = randomFrom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const word = () => syntheticWord(Math.floor(20_000 ** random()) - 1);
  const phrase = (shortest: number, longest: number) =>
    Array.from({ length: shortest + below(longest - shortest + 1) }, word).join(" ");
  const album = db.transaction(() => {
    createAlbum(library, "Tenth");
    const { id } = getAlbum(library, "Tenth");
    return db.get(db.build.selectFrom("album").select("number").where("id", "=", id))?.number ?? 0;
  });
  for (let start = 0; start < count; start += CHUNK) {
    db.transaction(() => {
      const numbers: number[] = [];
      for (let index = start; index < Math.min(count, start + CHUNK); index++) {
        const number = insertPhoto(db, photo(index));
        numbers.push(number);
        if (index % 10 === 0) place(library, album, number);
      }
      indexPhotos(db, numbers);
    });
  }

  function photo(index: number): Photo {
    const year = 1860 + below(120);
    const month = String(1 + below(12)).padStart(2, "0");
    const day = String(1 + below(28)).padStart(2, "0");
    const precision = (["year", "month", "day"] as const)[below(3)] ?? "year";
    const takenAt = { year: `${year}`, month: `${year}-${month}`, day: `${year}-${month}-${day}` }[precision];
    const isDated = random() < 0.85;
    const name =
      random() < 0.1 ? `${CHINESE.slice(below(20), below(20) + 2)} ${index}.jpg` : `IMG_${index}.jpg`;
    return {
      id: newId(),
      hash: createHash("sha256").update(`${seed}/${index}`).digest("hex"),
      path: `/archive/${syntheticWord(below(300))}/box ${below(1000)}/${name}`,
      name,
      size: 1_000_000 + below(9_000_000),
      mtime: 1_500_000_000_000 + below(100_000_000) * 1000,
      format: random() < 0.8 ? "jpeg" : "tiff",
      width: 2000 + below(4000),
      height: 2000 + below(4000),
      bitDepth: random() < 0.9 ? 8 : 16,
      colour: random() < 0.5 ? "grey" : "rgb",
      hasAlpha: false,
      orientation: 1,
      pages: 1,
      iccName: random() < 0.5 ? "sRGB IEC61966-2.1" : undefined,
      isMono: random() < 11 / 12,
      takenAt: isDated ? takenAt : undefined,
      takenPrecision: isDated ? precision : undefined,
      title: random() < 0.7 ? phrase(1, 4) : undefined,
      caption: random() < 0.4 ? phrase(4, 14) : undefined,
      place: random() < 0.5 ? phrase(1, 2) : undefined,
      people: random() < 0.2 ? [phrase(2, 2)] : [],
      keywords: random() < 0.3 ? [word(), word()] : [],
      rating: random() < 0.1 ? below(6) : undefined,
      notes: [],
      importedAt: new Date(1_700_000_000_000 + index * 50).toISOString(),
      missingSince: random() < 1 / 300 ? "2024-05-01T00:00:00.000Z" : undefined,
    };
  }
}
