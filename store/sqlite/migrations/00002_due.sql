-- +goose Up
-- Most records are never due: the index holds only those that are.
CREATE INDEX records_due ON records (due, key) WHERE due IS NOT NULL;
