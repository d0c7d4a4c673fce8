// Lists of texts in a JSON column. Must never: trust a column to hold what it should.
import { z } from "zod";

const listSchema = z.array(z.string());
const NONE: readonly string[] = Object.freeze([]);

/** The texts in a column. @throws ZodError when it holds something else */
export function listOf(json: string): readonly string[] {
  return json === "[]" ? NONE : listSchema.parse(JSON.parse(json)); // most lists are empty, and pages are long
}
