-- Who may use which dataset. Conventions are those of 0001; of the histories, those of 0003;
-- they are filled as those of 0005. docs/analytics.md says what can be known of an order.

-- +goose Up

-- An order that offers a dataset, as far as the chain tells. Null: it does not.
CREATE TABLE IF NOT EXISTS dataset_orders (
    chain               UInt64,
    id                  String, -- EIP-712 hash
    dataset             String, -- zero address: not known
    price               Nullable(UInt256), -- nRLC for each task
    volume              Nullable(UInt256), -- tasks
    tag                 Nullable(String), -- here and below, null: it was not broadcast
    app_restrict        Nullable(String), -- zero address: any; here and below
    workerpool_restrict Nullable(String),
    requester_restrict  Nullable(String),
    sources             Array(LowCardinality(String)), -- SIGNED BROADCAST MATCHED CLOSED: how the chain told of it
    signers             Array(String), -- for whom the contracts would take it, were they the dataset's owner
    consumed            UInt256, -- tasks, of deals; all of a closed order
    closed              Bool,
    known_at            UInt64, -- time of the first block that told of it, seconds since 1970
    block_number        UInt64, -- of the last change
    version             UInt64,
    deleted             UInt8
) ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, id)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE TABLE IF NOT EXISTS dataset_orders_history AS dataset_orders
    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, id, block_number)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE MATERIALIZED VIEW IF NOT EXISTS dataset_orders_to_history TO dataset_orders_history AS SELECT * FROM dataset_orders;
ALTER TABLE dataset_orders
    ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1,
    ADD INDEX IF NOT EXISTS by_dataset dataset TYPE bloom_filter GRANULARITY 1;

-- The apps that may use a dataset which DataProtector's sharing contract holds.
CREATE TABLE IF NOT EXISTS dataset_whitelists (
    chain        UInt64,
    id           String, -- address of the dataset
    whitelist    String, -- address of the list's contract; zero address: the data is in no collection
    block_number UInt64, -- of the last change
    version      UInt64,
    deleted      UInt8
) ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, id)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE TABLE IF NOT EXISTS dataset_whitelists_history AS dataset_whitelists
    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, id, block_number)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE MATERIALIZED VIEW IF NOT EXISTS dataset_whitelists_to_history TO dataset_whitelists_history AS SELECT * FROM dataset_whitelists;
ALTER TABLE dataset_whitelists
    ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;

-- A database that was filled before has none of these rows: see 0002.
TRUNCATE TABLE IF EXISTS series; -- sums are made anew with them
DROP TABLE IF EXISTS progress;
CREATE TABLE IF NOT EXISTS progress (
    chain       UInt64,
    topic       String,
    partition   UInt32,
    next_offset UInt64
) ENGINE = ReplacingMergeTree(next_offset) ORDER BY (chain, topic, partition)
    SETTINGS non_replicated_deduplication_window = 1000;

-- +goose Down
DROP VIEW dataset_whitelists_to_history;
DROP TABLE dataset_whitelists_history;
DROP TABLE dataset_whitelists;
DROP VIEW dataset_orders_to_history;
DROP TABLE dataset_orders_history;
DROP TABLE dataset_orders;
