-- One row for each object. `seq` keeps an application next to its keys and subscriptions, so that
-- reading everything reads the table from one end to the other.
CREATE TABLE objects (
    seq BIGINT PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    place TEXT COLLATE "C",
    owner TEXT COLLATE "C",
    parent UUID,
    target TEXT COLLATE "C",
    declared TEXT COLLATE "C" NOT NULL,
    extra TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
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
    grp TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (grp, seq)
);
CREATE INDEX memberships_seq ON memberships (seq);
-- How many names there are from `first` to the next one: a list of a million knows its length.
CREATE TABLE name_blocks (
    kind TEXT COLLATE "C" NOT NULL,
    first TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (kind, first)
);
-- How many objects have one owner, or one target.
CREATE TABLE tallies (
    kind TEXT COLLATE "C" NOT NULL,
    facet TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (kind, facet, value)
);
CREATE TABLE removals (
    kind TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    parent UUID,
    revision BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX removals_revision ON removals (revision);
CREATE TABLE audit (
    entry BIGINT PRIMARY KEY,
    revision BIGINT NOT NULL,
    at BIGINT NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C",
    action TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    fields TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_author ON audit (author, entry);
CREATE INDEX audit_kind ON audit (kind, entry);
CREATE INDEX audit_id ON audit (id, entry);
CREATE TABLE gateways (
    name TEXT COLLATE "C" PRIMARY KEY,
    version TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE TABLE last_uses (
    application UUID NOT NULL,
    api TEXT COLLATE "C" NOT NULL,
    day BIGINT NOT NULL,
    PRIMARY KEY (application, api)
);
