// Times as people say them: "3 min", "1 h 20 min"; 3 分钟. Must never: promise seconds beyond a minute.

/** @param ms milliseconds, 0 or more */
export function duration(ms: number, language: string): string {
  const unit = (value: number, name: "second" | "minute" | "hour") =>
    new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return unit(seconds, "second");
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return unit(minutes, "minute");
  const rest = minutes % 60;
  return [unit(Math.floor(minutes / 60), "hour"), rest === 0 ? [] : unit(rest, "minute")].flat().join(" ");
}
