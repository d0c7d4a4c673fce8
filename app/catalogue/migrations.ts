// How the database came to be what it is: numbered, forward only.
// Must never: change a migration that has been released; add a new one.

export interface Migration {
  readonly number: number;
  readonly about: string;
  readonly sql: string;
}

/** "Auto": marks a SQLite file as a library of ours. */
export const APPLICATION_ID = 0x4175746f;

/** Triggers that keep the tally of a table's rows. @param album the column, or the number, of the album */
function tallied(table: string, album: string): string {
  const change = (row: "new" | "old", by: number) => `
        INSERT INTO tally VALUES (${album === "0" ? "0" : `${row}.${album}`}, ${row}.is_mono, ${row}.is_missing, ${by})
        ON CONFLICT DO UPDATE SET photos = photos + ${by};`;
  return `
      CREATE TRIGGER ${table}_counted_in AFTER INSERT ON ${table} BEGIN ${change("new", 1)} END;
      CREATE TRIGGER ${table}_counted_out AFTER DELETE ON ${table} BEGIN ${change("old", -1)} END;
      CREATE TRIGGER ${table}_counted_anew AFTER UPDATE ON ${table}
      WHEN old.is_mono <> new.is_mono OR old.is_missing <> new.is_missing BEGIN
        ${change("old", -1)} ${change("new", 1)}
      END;`;
}

/** Whether an item waits or runs: 1 or 0. */
function isOpen(row: "new" | "old"): string {
  return `(${row}.state IN ('queued', 'running'))`;
}

/** Whether the newest item of a photo failed: 1 or 0. Ids grow with time. */
function newestFailed(photo: string): string {
  return `ifnull((SELECT state = 'failed' FROM batch_item WHERE photo_id = ${photo} ORDER BY id DESC LIMIT 1), 0)`;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    number: 1,
    about: "photos, albums, versions, batches",
    sql: `
      PRAGMA application_id = ${APPLICATION_ID};

      CREATE TABLE photo (
        number INTEGER PRIMARY KEY,           -- what the search index and albums refer to; grows with time of import
        id TEXT NOT NULL UNIQUE,              -- what everybody else refers to
        hash TEXT NOT NULL UNIQUE,            -- sha256 of the file, hex
        path TEXT NOT NULL,                   -- absolute; where it was last seen
        name TEXT NOT NULL,                   -- last part of the path
        name_key TEXT NOT NULL,               -- what the name sorts by
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
        missing_since TEXT,                   -- ISO, UTC; NULL while the file is where it was
        -- Undated photos come last.
        taken_key TEXT NOT NULL GENERATED ALWAYS AS (ifnull(taken_at, '~')) VIRTUAL,
        is_missing INTEGER NOT NULL GENERATED ALWAYS AS (missing_since IS NOT NULL) VIRTUAL,
        -- The number once more: SQLite seeks (key, tie) > (?, ?) in an index only over columns that are not its rowid.
        tie INTEGER NOT NULL GENERATED ALWAYS AS (number) VIRTUAL,
        CHECK ((taken_at IS NULL) = (taken_precision IS NULL))
      ) STRICT;
      CREATE INDEX photo_path ON photo (path, tie);
      CREATE INDEX photo_size ON photo (size);
      -- Pages: pages.ts says how they are read.
      CREATE INDEX photo_taken ON photo (taken_key, tie);
      CREATE INDEX photo_name ON photo (name_key, tie);
      CREATE INDEX photo_part ON photo (is_mono, is_missing);
      CREATE INDEX photo_part_taken ON photo (is_mono, is_missing, taken_key, tie);
      CREATE INDEX photo_part_name ON photo (is_mono, is_missing, name_key, tie);

      CREATE TABLE photo_copy (               -- further files with the content of a photo
        path TEXT PRIMARY KEY,
        photo_id TEXT NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
        size INTEGER NOT NULL,
        mtime INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX photo_copy_photo ON photo_copy (photo_id);

      -- Words as they are searched, made by search.ts. The photo's own columns stay as the user wrote them.
      CREATE VIRTUAL TABLE photo_search USING fts5 (
        title, caption, name, place, date, words,
        content = '', contentless_delete = 1, prefix = '1 2 3',
        tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co So'"
      );
      CREATE TRIGGER photo_gone AFTER DELETE ON photo BEGIN
        DELETE FROM photo_search WHERE rowid = old.number;
      END;

      CREATE TABLE album (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL
      ) STRICT;

      -- Carries what its photos are sorted and filtered by, so that a page of an album is read from one index.
      CREATE TABLE album_photo (
        album_number INTEGER NOT NULL REFERENCES album (number) ON DELETE CASCADE,
        photo_number INTEGER NOT NULL REFERENCES photo (number) ON DELETE CASCADE,
        is_mono INTEGER NOT NULL,
        is_missing INTEGER NOT NULL,
        taken_key TEXT NOT NULL,
        name_key TEXT NOT NULL,
        PRIMARY KEY (album_number, photo_number)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX album_photo_photo ON album_photo (photo_number);
      CREATE INDEX album_part ON album_photo (album_number, is_mono, is_missing, photo_number);
      CREATE INDEX album_part_taken ON album_photo (album_number, is_mono, is_missing, taken_key, photo_number);
      CREATE INDEX album_part_name ON album_photo (album_number, is_mono, is_missing, name_key, photo_number);
      CREATE TRIGGER photo_sorted_anew AFTER UPDATE OF is_mono, missing_since, taken_at, name_key ON photo BEGIN
        UPDATE album_photo
        SET is_mono = new.is_mono, is_missing = new.is_missing, taken_key = new.taken_key, name_key = new.name_key
        WHERE photo_number = new.number;
      END;

      -- How many photos there are, kept by the triggers below: counting a million takes too long.
      CREATE TABLE tally (
        album_number INTEGER NOT NULL,        -- 0: the whole library
        is_mono INTEGER NOT NULL,
        is_missing INTEGER NOT NULL,
        photos INTEGER NOT NULL,
        PRIMARY KEY (album_number, is_mono, is_missing)
      ) STRICT, WITHOUT ROWID;
      ${tallied("photo", "0")}
      ${tallied("album_photo", "album_number")}

      CREATE TABLE batch (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'cancelled', 'finished')),
        priority INTEGER NOT NULL,            -- higher first
        executor TEXT NOT NULL,
        recipe TEXT NOT NULL,                 -- JSON: what is done to each photo
        created_at TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE batch_item (
        id TEXT PRIMARY KEY,
        batch_id TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,            -- order within the batch, as asked for
        turn INTEGER NOT NULL,                -- order of work: the position, until an item brings the program down
        photo_id TEXT REFERENCES photo (id) ON DELETE SET NULL,  -- NULL: a file that is in no library
        source TEXT NOT NULL,                 -- absolute path
        source_hash TEXT,                     -- what the source must be, where that is known
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
      CREATE INDEX batch_item_state ON batch_item (batch_id, state, turn);
      CREATE INDEX batch_item_running ON batch_item (lease_until) WHERE state = 'running';
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
      CREATE INDEX batch_state ON batch (state, priority DESC, id);
      CREATE INDEX version_photo ON version (photo_id, created_at);

      CREATE TABLE setting (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL                   -- JSON
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    number: 2,
    about: "prompts",
    sql: `
      -- ComfyUI's queue and history. A prompt has one row from its arrival until it is dropped from the history.
      CREATE TABLE prompt (
        seq INTEGER PRIMARY KEY,              -- order of arrival
        id TEXT NOT NULL UNIQUE,              -- a UUID in lower case; the client may choose it
        number REAL NOT NULL,                 -- order of work, lower first; seq decides between equals
        client_id TEXT,                       -- who hears of it
        graph TEXT NOT NULL,                  -- JSON: API format, values coerced
        targets TEXT NOT NULL,                -- JSON array: ids of the output nodes to run
        extra_data TEXT NOT NULL,             -- JSON, without secrets
        state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'success', 'error', 'interrupted')),
        attempts INTEGER NOT NULL DEFAULT 0,
        lease_owner TEXT,                     -- the process that runs it; set exactly while running
        lease_until INTEGER,                  -- milliseconds since 1970
        created_at INTEGER NOT NULL,          -- milliseconds since 1970, as ComfyUI counts
        started_at INTEGER,
        finished_at INTEGER,
        outputs TEXT,                         -- JSON: what output nodes showed, by node
        messages TEXT,                        -- JSON array of [event, data]
        place INTEGER UNIQUE,                 -- in the history, by completion
        CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL)),
        CHECK ((state IN ('pending', 'running')) = (place IS NULL)),
        CHECK ((place IS NULL) = (finished_at IS NULL)),
        CHECK ((place IS NULL) = (outputs IS NULL)),
        CHECK ((place IS NULL) = (messages IS NULL))
      ) STRICT;
      CREATE INDEX prompt_turn ON prompt (state, number, seq);
    `,
  },
  {
    number: 3,
    about: "variants, and colours that can be tuned",
    sql: `
      ALTER TABLE batch_item ADD COLUMN variant INTEGER NOT NULL DEFAULT 0;  -- which of the recipe's variants
      -- The version whose colours this item tunes instead of running the network.
      ALTER TABLE batch_item ADD COLUMN tunes TEXT REFERENCES version (id) ON DELETE SET NULL;
      CREATE INDEX batch_item_tunes ON batch_item (tunes) WHERE tunes IS NOT NULL;
      ALTER TABLE version ADD COLUMN chroma TEXT;  -- the network's colours: relative to the library folder; NULL: not kept
    `,
  },
  {
    number: 4,
    about: "sessions, watched folders, what a batch was asked for",
    sql: `
      CREATE TABLE session (                  -- photos that are reviewed together
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        note TEXT NOT NULL,
        created_at TEXT NOT NULL              -- ISO, UTC
      ) STRICT;
      CREATE TABLE session_photo (
        session_number INTEGER NOT NULL REFERENCES session (number) ON DELETE CASCADE,
        photo_number INTEGER NOT NULL REFERENCES photo (number) ON DELETE CASCADE,
        position INTEGER NOT NULL,            -- as they were chosen
        PRIMARY KEY (session_number, photo_number)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX session_photo_photo ON session_photo (photo_number);

      CREATE TABLE watched_folder (           -- what appears in it is imported
        path TEXT PRIMARY KEY,                -- absolute
        album TEXT,                           -- name of the album for its photos
        position INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      ALTER TABLE batch ADD COLUMN workflow TEXT;  -- the name that was asked for; NULL: the recipe's variants say it
    `,
  },
  {
    number: 5,
    about: "how far photos are on their way, smart albums, blurs",
    sql: `
      -- Kept by the triggers below: a grid asks for it with every photo that it shows.
      ALTER TABLE photo ADD COLUMN open_items INTEGER NOT NULL DEFAULT 0;  -- items queued or running
      ALTER TABLE photo ADD COLUMN has_failed INTEGER NOT NULL DEFAULT 0;  -- the newest item did
      ALTER TABLE photo ADD COLUMN versions INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE photo ADD COLUMN undecided INTEGER NOT NULL DEFAULT 0;   -- versions not yet reviewed
      ALTER TABLE photo ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;    -- versions
      ALTER TABLE photo ADD COLUMN blur BLOB;                              -- thumbhash; NULL: not made yet

      -- The smart albums.
      ALTER TABLE photo ADD COLUMN is_to_colour INTEGER GENERATED ALWAYS AS
        (is_mono = 1 AND missing_since IS NULL AND versions = 0 AND open_items = 0) VIRTUAL;
      ALTER TABLE photo ADD COLUMN is_to_review INTEGER GENERATED ALWAYS AS (undecided > 0) VIRTUAL;
      ALTER TABLE photo ADD COLUMN is_accepted INTEGER GENERATED ALWAYS AS (accepted > 0) VIRTUAL;
      ALTER TABLE photo ADD COLUMN is_failed INTEGER GENERATED ALWAYS AS
        (has_failed = 1 AND versions = 0 AND open_items = 0) VIRTUAL;

      UPDATE photo SET
        open_items = (SELECT count(*) FROM batch_item WHERE photo_id = photo.id AND state IN ('queued', 'running')),
        has_failed = ${newestFailed("photo.id")},
        versions = (SELECT count(*) FROM version WHERE photo_id = photo.id),
        undecided = (SELECT count(*) FROM version WHERE photo_id = photo.id AND review = 'undecided'),
        accepted = (SELECT count(*) FROM version WHERE photo_id = photo.id AND review = 'accepted')
      WHERE id IN (SELECT photo_id FROM version UNION SELECT photo_id FROM batch_item);

      -- Photos to be coloured are most of many libraries: an index would not help there.
      CREATE INDEX photo_to_review ON photo (is_to_review) WHERE is_to_review = 1;
      CREATE INDEX photo_accepted ON photo (is_accepted) WHERE is_accepted = 1;
      CREATE INDEX photo_failed ON photo (is_failed) WHERE is_failed = 1;

      CREATE TRIGGER batch_item_added AFTER INSERT ON batch_item WHEN new.photo_id IS NOT NULL BEGIN
        UPDATE photo SET
          open_items = open_items + ${isOpen("new")},
          has_failed = ${newestFailed("new.photo_id")}
        WHERE id = new.photo_id;
      END;
      CREATE TRIGGER batch_item_gone AFTER DELETE ON batch_item WHEN old.photo_id IS NOT NULL BEGIN
        UPDATE photo SET
          open_items = open_items - ${isOpen("old")},
          has_failed = ${newestFailed("old.photo_id")}
        WHERE id = old.photo_id;
      END;
      CREATE TRIGGER batch_item_went_on AFTER UPDATE OF state ON batch_item
      WHEN new.photo_id IS NOT NULL AND (${isOpen("old")} <> ${isOpen("new")}
        OR (old.state = 'failed') <> (new.state = 'failed')) BEGIN
        UPDATE photo SET
          open_items = open_items - ${isOpen("old")} + ${isOpen("new")},
          has_failed = ${newestFailed("new.photo_id")}
        WHERE id = new.photo_id;
      END;

      CREATE TRIGGER version_added AFTER INSERT ON version BEGIN
        UPDATE photo SET
          versions = versions + 1,
          undecided = undecided + (new.review = 'undecided'),
          accepted = accepted + (new.review = 'accepted')
        WHERE id = new.photo_id;
      END;
      CREATE TRIGGER version_gone AFTER DELETE ON version BEGIN
        UPDATE photo SET
          versions = versions - 1,
          undecided = undecided - (old.review = 'undecided'),
          accepted = accepted - (old.review = 'accepted')
        WHERE id = old.photo_id;
      END;
      CREATE TRIGGER version_reviewed AFTER UPDATE OF review ON version WHEN old.review <> new.review BEGIN
        UPDATE photo SET
          undecided = undecided - (old.review = 'undecided') + (new.review = 'undecided'),
          accepted = accepted - (old.review = 'accepted') + (new.review = 'accepted')
        WHERE id = new.photo_id;
      END;

      CREATE TABLE smart_tally (              -- photos in each smart album; one row
        to_colour INTEGER NOT NULL,
        to_review INTEGER NOT NULL,
        accepted INTEGER NOT NULL,
        failed INTEGER NOT NULL
      ) STRICT;
      INSERT INTO smart_tally
        SELECT ifnull(sum(is_to_colour), 0), ifnull(sum(is_to_review), 0), ifnull(sum(is_accepted), 0),
          ifnull(sum(is_failed), 0)
        FROM photo;
      CREATE TRIGGER photo_smart_in AFTER INSERT ON photo WHEN new.is_to_colour = 1 BEGIN
        UPDATE smart_tally SET to_colour = to_colour + 1;
      END;
      CREATE TRIGGER photo_smart_out AFTER DELETE ON photo BEGIN
        UPDATE smart_tally SET
          to_colour = to_colour - old.is_to_colour,
          to_review = to_review - old.is_to_review,
          accepted = accepted - old.is_accepted,
          failed = failed - old.is_failed;
      END;
      CREATE TRIGGER photo_smart_anew
      AFTER UPDATE OF is_mono, missing_since, open_items, has_failed, versions, undecided, accepted ON photo
      WHEN old.is_to_colour <> new.is_to_colour OR old.is_to_review <> new.is_to_review
        OR old.is_accepted <> new.is_accepted OR old.is_failed <> new.is_failed BEGIN
        UPDATE smart_tally SET
          to_colour = to_colour - old.is_to_colour + new.is_to_colour,
          to_review = to_review - old.is_to_review + new.is_to_review,
          accepted = accepted - old.is_accepted + new.is_accepted,
          failed = failed - old.is_failed + new.is_failed;
      END;
    `,
  },
];
