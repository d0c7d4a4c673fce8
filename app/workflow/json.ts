// Small questions to JSON from outside. Must never: recurse: such values may be nested as deep as their sender likes.

/** Whether a value is a JSON object: neither null nor an array. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether arrays and objects are nested in a value more than so many levels deep (or it refers to itself). */
export function isDeeperThan(levels: number, value: unknown): boolean {
  let level = new Set([value]);
  for (let depth = 0; level.size > 0; depth++) {
    const below = new Set<unknown>();
    for (const part of level) {
      if (typeof part !== "object" || part === null) continue;
      if (depth === levels) return true;
      for (const child of Object.values(part)) if (typeof child === "object") below.add(child);
    }
    level = below;
  }
  return false;
}
