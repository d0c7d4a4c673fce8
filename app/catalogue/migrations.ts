// How the database came to be what it is: numbered, forward only.
// Must never: change a migration that has been released; add a new one.

export interface Migration {
  readonly number: number;
  readonly about: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    number: 1,
    about: "photos, albums, versions, batches",
    sql: `
      CREATE TABLE photo (
        number INTEGER PRIMARY KEY,           -- what the search index and albums refer to
        id TEXT NOT NULL UNIQUE,              -- what everybody else refers to; sorts by time of import
        hash TEXT NOT NULL UNIQUE,            -- sha256 of the file, hex
        path TEXT NOT NULL,                   -- absolute; where it was last seen
        name TEXT NOT NULL,                   -- last part of the path
        size INTEGER NOT NULL,                -- bytes
        mtime INTEGER NOT NULL,               -- milliseconds since 1970
        format TEXT NOT NULL,
        width INTEGER NOT NULL,               -- pixels, orientation applied
        height INTEGER NOT NULL,
        bit_depth INTEGER NOT NULL CHECK (bit_depth IN (8, 16)),
        colour TEXT NOT NULL,
        has_alpha INTEGER NOT NULL CHECK (has_alpha IN (0, 1)),
        orientation INTEGER NOT NULL,         -- EXIF, as stored in the file
        pages INTEGER NOT NULL,
        icc_name TEXT,
        is_mono INTEGER NOT NULL CHECK (is_mono IN (0, 1)),
        taken_at TEXT,                        -- 1936, 1936-02 or 1936-02-11
        taken_precision TEXT CHECK (taken_precision IN ('year', 'month', 'day')),
        title TEXT,
        caption TEXT,
        place TEXT,
        people TEXT NOT NULL,                 -- JSON array of names
        keywords TEXT NOT NULL,               -- JSON array
        rating INTEGER CHECK (rating BETWEEN 0 AND 5),
        notes TEXT NOT NULL,                  -- JSON array of sentences about the file
        imported_at TEXT NOT NULL,            -- ISO, UTC
        missing_since TEXT                    -- ISO, UTC; NULL while the file is where it was
      ) STRICT;
      CREATE INDEX photo_path ON photo (path);

      CREATE TABLE photo_copy (               -- further files with the content of a photo
        path TEXT PRIMARY KEY,
        photo_id TEXT NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
        size INTEGER NOT NULL,
        mtime INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX photo_copy_photo ON photo_copy (photo_id);

      -- Text as it is searched: see search.ts. The photo's own columns stay as the user wrote them.
      CREATE VIRTUAL TABLE photo_search USING fts5 (
        title, caption, name, place, date, words,
        content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
      );

      CREATE TABLE album (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE album_photo (
        album_id TEXT NOT NULL REFERENCES album (id) ON DELETE CASCADE,
        photo_number INTEGER NOT NULL REFERENCES photo (number) ON DELETE CASCADE,
        PRIMARY KEY (album_id, photo_number)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX album_photo_photo ON album_photo (photo_number);

      CREATE TABLE batch (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'cancelled')), -- what the user wants of it
        priority INTEGER NOT NULL,            -- higher first
        executor TEXT NOT NULL,
        recipe TEXT NOT NULL,                 -- JSON: what is done to each photo
        created_at TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE batch_item (
        id TEXT PRIMARY KEY,
        batch_id TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,            -- order within the batch
        photo_id TEXT REFERENCES photo (id) ON DELETE SET NULL,  -- NULL: a file that is in no library
        source TEXT NOT NULL,                 -- absolute path
        target TEXT NOT NULL,                 -- absolute path, or relative to the library folder
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        attempts INTEGER NOT NULL DEFAULT 0,
        lease_owner TEXT,                     -- the process that runs it; set exactly while running
        lease_until INTEGER,                  -- milliseconds since 1970
        started_at TEXT,                      -- of the first attempt; part of the record, so it never changes
        ms INTEGER,
        result TEXT,                          -- JSON, once done
        error TEXT,                           -- JSON, once failed
        CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL))
      ) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX batch_item_order ON batch_item (batch_id, position);
      CREATE INDEX batch_item_state ON batch_item (batch_id, state, position);
      CREATE INDEX batch_item_photo ON batch_item (photo_id);

      CREATE TABLE version (
        id TEXT PRIMARY KEY,
        photo_id TEXT NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
        item_id TEXT NOT NULL UNIQUE,         -- at most one version per item of work
        file TEXT NOT NULL UNIQUE,            -- relative to the library folder
        file_hash TEXT NOT NULL,              -- sha256, hex
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        format TEXT NOT NULL,
        source_hash TEXT NOT NULL,
        workflow TEXT NOT NULL,               -- JSON: the graph that was run
        parameters TEXT NOT NULL,             -- JSON
        model_id TEXT NOT NULL,
        model_sha256 TEXT NOT NULL,
        device TEXT NOT NULL,
        program TEXT NOT NULL,
        notes TEXT NOT NULL,                  -- JSON array of sentences
        created_at TEXT NOT NULL,
        review TEXT NOT NULL DEFAULT 'undecided' CHECK (review IN ('undecided', 'accepted', 'rejected')),
        rating INTEGER CHECK (rating BETWEEN 0 AND 5),
        note TEXT
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX version_photo ON version (photo_id, created_at);

      CREATE TABLE setting (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL                   -- JSON
      ) STRICT, WITHOUT ROWID;
    `,
  },
];
