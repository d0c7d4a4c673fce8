// The database file: opening, pragmas, migrations with a backup before them, running typed queries.
//
// Owns: the one connection of a process. Queries are built with Kysely and run at once, without promises: a write
// transaction can then never interleave with another of this process.
// Must never: keep a transaction open across an await.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import Sqlite from "better-sqlite3";
import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { AutochromeError, writeAtomically } from "../kernel/index.ts";
import { MIGRATIONS } from "./migrations.ts";
import type { Tables } from "./schema.ts";

/** Milliseconds to wait for another process's write before giving up. */
const BUSY_TIMEOUT = 10_000;

interface Query<Row> {
  compile(): CompiledQuery<Row>;
}

export interface Database {
  /** Builds queries; it runs none. */
  readonly build: Kysely<Tables>;
  /** The path, or ":memory:". */
  readonly file: string;
  all<Row>(query: Query<Row>): Row[];
  get<Row>(query: Query<Row>): Row | undefined;
  /** As `all`, each row as its values in the order of the select: a quarter faster for many columns. */
  tuples<Row extends readonly unknown[]>(query: Query<Row>): Row[];
  /** @returns the number of rows that changed */
  run(query: Query<unknown>): number;
  /** Runs `work` as one write transaction; nested calls join the outer one. Throws: everything is undone. */
  transaction<T>(work: () => T): T;
  /** For what the builder cannot say. */
  readonly raw: Sqlite.Database;
  /** A consistent copy of the database, made while it stays in use. The target must not exist. */
  backup(target: string): Promise<void>;
  close(): void;
}

/** Rows come untyped from SQLite; the builder's types describe them. This is the one place that says so. */
type Rows<Row> = Row[];

/**
 * Opens the database, making or migrating it where necessary.
 * @param file path or ":memory:"
 * @param backups folder for the copy that is made before a migration
 * @throws AutochromeError "library-newer", "library-damaged", "library-busy"
 */
export async function openDatabase(file: string, backups?: string): Promise<Database> {
  const isNew = file === ":memory:" || !existsSync(file);
  if (file !== ":memory:") await mkdir(dirname(file), { recursive: true });
  const raw = guarded(file, () => new Sqlite(file, { timeout: BUSY_TIMEOUT }));
  try {
    guarded(file, () => {
      raw.pragma("journal_mode = WAL");
      raw.pragma("synchronous = NORMAL"); // WAL: a power cut may undo the last commits, never damage the file
      raw.pragma("foreign_keys = ON");
      raw.pragma("cache_size = -65536");
      raw.pragma("mmap_size = 268435456");
      raw.pragma("temp_store = MEMORY");
    });
    const version = guarded(file, () => raw.pragma("user_version", { simple: true }) as number);
    const newest = MIGRATIONS.at(-1)?.number ?? 0;
    if (version > newest) {
      throw new AutochromeError(
        "library-newer",
        "This library was made by a newer Autochrome.",
        "Update Autochrome, or open a backup made by this version.",
        { detail: `database version ${version}, this program knows ${newest}` },
      );
    }
    if (!isNew && version > 0 && version < newest && backups !== undefined) {
      await mkdir(backups, { recursive: true });
      const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
      const copy = join(backups, `before-migration-${version}-${stamp}.db`);
      await writeAtomically(copy, { overwrite: false }, async (temporary) => {
        await raw.backup(temporary);
      });
    }
    migrate(raw, file);
  } catch (error) {
    raw.close();
    throw error;
  }
  return wrap(raw, file);
}

function migrate(raw: Sqlite.Database, file: string): void {
  guarded(file, () =>
    raw
      .transaction(() => {
        // Read again inside the transaction: another process may have migrated meanwhile.
        const version = raw.pragma("user_version", { simple: true }) as number;
        for (const migration of MIGRATIONS) {
          if (migration.number <= version) continue;
          raw.exec(migration.sql);
          raw.pragma(`user_version = ${migration.number}`);
        }
      })
      .immediate(),
  );
}

function wrap(raw: Sqlite.Database, file: string): Database {
  const build = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
  const prepare = preparing((sql) => raw.prepare(sql));
  const prepareTuples = preparing((sql) => raw.prepare(sql).raw());
  const all = <Row>(query: Query<Row>): Row[] => {
    const { sql, parameters } = query.compile();
    return guarded(file, () => prepare(sql).all(...parameters) as Rows<Row>);
  };
  return {
    build,
    file,
    raw,
    all,
    get: (query) => all(query)[0],
    tuples: <Row extends readonly unknown[]>(query: Query<Row>): Row[] => {
      const { sql, parameters } = query.compile();
      return guarded(file, () => prepareTuples(sql).all(...parameters) as Rows<Row>);
    },
    run: (query) => {
      const { sql, parameters } = query.compile();
      const statement = prepare(sql);
      if (statement.reader) return guarded(file, () => statement.all(...parameters).length);
      return guarded(file, () => statement.run(...parameters).changes);
    },
    transaction: (work) => {
      if (raw.inTransaction) return work();
      return guarded(file, () => raw.transaction(work).immediate());
    },
    async backup(target) {
      await raw.backup(target).catch((error: unknown) => {
        throw translated(error, target);
      });
    },
    close: () => {
      raw.close();
    },
  };
}

/** Keeps statements for the next time. */
function preparing(prepare: (sql: string) => Sqlite.Statement): (sql: string) => Sqlite.Statement {
  const statements = new Map<string, Sqlite.Statement>();
  return (sql) => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      if (statements.size >= 200) statements.clear();
      statement = prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
}

/** Turns SQLite's own errors into ours. */
function guarded<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translated(error, file);
  }
}

/** An error of SQLite's as one of ours; anything else as it is. */
export function translated(error: unknown, file: string): unknown {
  if (!(error instanceof Sqlite.SqliteError)) return error;
  const name = basename(file);
  if (error.code.startsWith("SQLITE_BUSY") || error.code.startsWith("SQLITE_LOCKED")) {
    return new AutochromeError(
      "library-busy",
      `The library is in use: ${name} is locked by another program.`,
      "Wait until the other program has finished, then try again.",
      { cause: error },
    );
  }
  if (error.code === "SQLITE_FULL") {
    return new AutochromeError(
      "disk-full",
      "The disk with the library is full.",
      "Free some space and try again.",
      {
        cause: error,
      },
    );
  }
  if (error.code.startsWith("SQLITE_CORRUPT") || error.code === "SQLITE_NOTADB") {
    return new AutochromeError(
      "library-damaged",
      `The library's database ${name} is damaged.`,
      "Restore the newest backup with `autochrome restore`.",
      { cause: error },
    );
  }
  if (error.code.startsWith("SQLITE_CANTOPEN") || error.code.startsWith("SQLITE_READONLY")) {
    return new AutochromeError(
      "output-unwritable",
      `The library's database ${name} cannot be opened for writing.`,
      "Check the permissions of the library folder.",
      { cause: error },
    );
  }
  return error;
}
