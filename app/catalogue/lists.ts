// Lists of texts in a JSON column. Must never: trust a column to hold what it should.

const NONE: readonly string[] = Object.freeze([]);

/**
 * The texts in a column. Checked by hand: a schema would take a tenth of the time of a page of photos.
 * @throws Error when it holds something else
 */
export function listOf(json: string): readonly string[] {
  if (json === "[]") return NONE; // most are empty
  const list: unknown = JSON.parse(json);
  if (isTexts(list)) return list;
  throw new Error(`not a list of texts: ${json.slice(0, 100)}`);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
