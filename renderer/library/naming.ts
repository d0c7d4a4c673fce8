// How photos are called: dates as exact as they are known, and a cell's whole name for those who hear it.
import type { TFunction } from "i18next";
import type { PhotoCard } from "../../app/api/library/contract.ts";

/** A date as it is known, in the language's own form: "1936", "February 1936", "11 February 1936". */
export function dateWords(takenAt: string, language: string): string {
  const [year = "", month, day] = takenAt.split("-");
  const date = new Date(Date.UTC(2000, Number(month ?? 1) - 1, Number(day ?? 1)));
  date.setUTCFullYear(Number(year));
  if (Number.isNaN(date.getTime())) return takenAt;
  return formatFor(language, month !== undefined, day !== undefined).format(date);
}

/** Kept: to make one takes longer than to render a cell. */
const formats = new Map<string, Intl.DateTimeFormat>();
function formatFor(language: string, hasMonth: boolean, hasDay: boolean): Intl.DateTimeFormat {
  const key = `${language} ${hasMonth} ${hasDay}`;
  const known = formats.get(key);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat(language, {
    timeZone: "UTC",
    year: "numeric",
    ...(hasMonth ? { month: "long" } : {}),
    ...(hasDay ? { day: "numeric" } : {}),
  });
  formats.set(key, format);
  return format;
}

export const titleOf = ({ title, name }: Pick<PhotoCard, "title" | "name">): string => title || name;

/** "February 1936, Grandmother at the window, black and white, to review". */
export function cellName(card: PhotoCard, t: TFunction, language: string): string {
  return [
    card.takenAt === undefined ? [] : dateWords(card.takenAt, language),
    titleOf(card),
    card.isMono ? t("library.mono") : [],
    card.state === "plain" ? [] : t(`library.states.${card.state}`),
    card.isMissing ? t("library.states.missing") : [],
    card.rating ? t("library.stars", { count: card.rating }) : [],
  ]
    .flat()
    .join(t("library.comma"));
}

/** Bytes in the unit that people read. */
export function sizeWords(bytes: number, language: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const at = Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[at] ?? "byte",
    maximumFractionDigits: at < 2 ? 0 : 1,
  }).format(bytes / 1000 ** at);
}
