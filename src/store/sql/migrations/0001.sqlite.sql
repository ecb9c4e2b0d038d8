-- One row for each object. `seq` keeps an application next to its keys and subscriptions, so that
-- reading everything reads the file from one end to the other.
CREATE TABLE objects (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    place TEXT,
    owner TEXT,
    parent BLOB,
    target TEXT,
    declared TEXT NOT NULL,
    extra TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX objects_id ON objects (kind, id);
CREATE UNIQUE INDEX objects_name ON objects (kind, name);
CREATE UNIQUE INDEX objects_place ON objects (kind, place) WHERE place IS NOT NULL;
CREATE INDEX objects_owner ON objects (kind, owner, name) WHERE owner IS NOT NULL;
CREATE INDEX objects_parent ON objects (parent, kind, name) WHERE parent IS NOT NULL;
CREATE INDEX objects_target ON objects (kind, target, name) WHERE target IS NOT NULL;
CREATE INDEX objects_revision ON objects (revision);
-- With owner and name: a page far behind is found in the index alone.
CREATE INDEX objects_created ON objects (created_at, seq, owner, name)
    WHERE kind = 'application';
CREATE INDEX objects_updated ON objects (updated_at, seq, owner, name)
    WHERE kind = 'application';
-- Applications that a group shares.
CREATE TABLE memberships (
    grp TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (grp, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_seq ON memberships (seq);
-- How many names there are from `first` to the next one: a list of a million knows its length.
CREATE TABLE name_blocks (
    kind TEXT NOT NULL,
    first TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (kind, first)
) STRICT, WITHOUT ROWID;
-- How many objects have one owner, or one target.
CREATE TABLE tallies (
    kind TEXT NOT NULL,
    facet TEXT NOT NULL,
    value TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (kind, facet, value)
) STRICT, WITHOUT ROWID;
CREATE TABLE removals (
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    parent BLOB,
    revision INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX removals_revision ON removals (revision);
CREATE TABLE audit (
    entry INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    fields TEXT NOT NULL
) STRICT;
CREATE INDEX audit_author ON audit (author, entry);
CREATE INDEX audit_kind ON audit (kind, entry);
CREATE INDEX audit_id ON audit (id, entry);
CREATE TABLE gateways (
    name TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    revision INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE last_uses (
    application BLOB NOT NULL,
    api TEXT NOT NULL,
    day INTEGER NOT NULL,
    PRIMARY KEY (application, api)
) STRICT, WITHOUT ROWID;
