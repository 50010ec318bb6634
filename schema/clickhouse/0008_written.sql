-- Before a batch takes blocks back, it lowers the head: that row is newer than most rows of
-- the batch, which come after it.

-- +goose Up

-- The rows of all records to this one are written.
ALTER TABLE heads ADD COLUMN IF NOT EXISTS written UInt64 DEFAULT version AFTER version;

-- +goose Down
ALTER TABLE heads DROP COLUMN written;
