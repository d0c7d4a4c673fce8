// Queries that are built and compiled once and run many times: compiling costs as much as a page of a hundred photos.
// Must never: outlive a change of what the query selects; a template belongs to one shape of query.
import { type CompiledQuery, type Kysely, type RawBuilder, sql } from "kysely";
import type { Database } from "./database.ts";
import type { Tables } from "./schema.ts";

type Values = Readonly<Record<string, string | number | Uint8Array | null>>;

const NAME = Symbol("slot");

interface Slot {
  readonly [NAME]: string;
}

/** A place in a query that {@link fill} puts a value into. */
export function slot<T = never>(name: string): RawBuilder<T> {
  return sql<T>`${{ [NAME]: name } satisfies Slot}`;
}

/** A query that is compiled when it is first run. @param build makes the query, with slots */
export function templateOf<Row>(
  build: (db: Kysely<Tables>) => { compile(): CompiledQuery<Row> },
): (db: Database, values: Values) => { compile(): CompiledQuery<Row> } {
  let template: CompiledQuery<Row> | undefined;
  return (db, values) => {
    template ??= build(db.build).compile();
    return fill(template, values);
  };
}

/** A query with values in its slots, ready to be run. @throws Error when a slot has no value */
export function fill<Row>(template: CompiledQuery<Row>, values: Values): { compile(): CompiledQuery<Row> } {
  const parameters = template.parameters.map((parameter) => {
    if (!isSlot(parameter)) return parameter;
    const value = values[parameter[NAME]];
    if (value === undefined) throw new Error(`no value for ${parameter[NAME]}`);
    return value;
  });
  const filled = { ...template, parameters };
  return { compile: () => filled };
}

function isSlot(parameter: unknown): parameter is Slot {
  return typeof parameter === "object" && parameter !== null && NAME in parameter;
}
