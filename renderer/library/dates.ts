// Dates that are known to the year, the month or the day: from what is typed to what is kept. Pure.

export interface TypedDate {
  readonly year: string;
  /** "": not known; else 1–12. */
  readonly month: string;
  /** "": not known; else 1–31. */
  readonly day: string;
}

/** 1936, 1936-02 or 1936-02-11 as fields. */
export function typedDate(date: string | undefined): TypedDate {
  const [year = "", month = "", day = ""] = (date ?? "").split("-");
  const plain = (part: string) => (part === "" ? "" : String(Number(part)));
  return { year: plain(year), month: plain(month), day: plain(day) };
}

/** @returns null for no date; undefined for what is none: a month without a year, 31 February */
export function dateFrom({ year, month, day }: TypedDate): string | null | undefined {
  const [y, m, d] = [year.trim(), month.trim(), day.trim()];
  if (y === "") return m === "" && d === "" ? null : undefined;
  if (!/^\d{1,4}$/.test(y) || Number(y) < 1) return undefined;
  const whole = y.padStart(4, "0");
  if (m === "") return d === "" ? whole : undefined;
  if (!/^\d{1,2}$/.test(m) || Number(m) < 1 || Number(m) > 12) return undefined;
  const withMonth = `${whole}-${m.padStart(2, "0")}`;
  if (d === "") return withMonth;
  return /^\d{1,2}$/.test(d) && Number(d) >= 1 && Number(d) <= daysIn(Number(y), Number(m))
    ? `${withMonth}-${d.padStart(2, "0")}`
    : undefined;
}

/** @param month 1–12 */
export function daysIn(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** The months' names. */
export function monthNames(language: string): string[] {
  const format = new Intl.DateTimeFormat(language, { month: "long", timeZone: "UTC" });
  return Array.from({ length: 12 }, (_, month) => format.format(Date.UTC(2000, month, 1)));
}
