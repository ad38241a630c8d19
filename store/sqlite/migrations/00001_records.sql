-- +goose Up
-- Keys are bytes, so that their order is that of memcmp and no collation can ever change it.
CREATE TABLE records (
    key  BLOB    NOT NULL PRIMARY KEY,
    rev  INTEGER NOT NULL,
    due  INTEGER, -- microseconds since 1970; NULL: never
    data BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- No revision above this one was given, in the whole store. The writer keeps it a little ahead of what it gives.
CREATE TABLE sequence (
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO sequence (id, last) VALUES (1, 0);
