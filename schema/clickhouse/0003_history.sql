-- History, sums by the hour, and what makes both exact. Conventions are those of 0001.

-- +goose Up

-- So many inserts are remembered by their tokens: what a sink that was thought dead wakes
-- up to write again is recognised.
ALTER TABLE blocks MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE deals MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE tasks MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE contributions MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE payouts MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE postings MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE settlements MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE settlement_lines MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE accounts MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE resources MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE categories MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE decisions MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE verdicts MODIFY SETTING non_replicated_deduplication_window = 1000;
ALTER TABLE heads MODIFY SETTING non_replicated_deduplication_window = 1000;

ALTER TABLE categories ADD COLUMN IF NOT EXISTS block_number UInt64 AFTER work_clock_time_ref;

-- The twins of the tables whose rows change: one row for each thing and block in which it
-- changed. A block that left the chain leaves tombstones. As of block N, a thing is its row
-- above if that has a block_number of at most N, and else its newest row here that has.
CREATE TABLE IF NOT EXISTS deals_history AS deals
    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, id, block_number)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE TABLE IF NOT EXISTS tasks_history AS tasks
    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, id, block_number)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE TABLE IF NOT EXISTS contributions_history AS contributions
    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, task, worker, block_number)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE TABLE IF NOT EXISTS accounts_history AS accounts
    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, address, block_number)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE TABLE IF NOT EXISTS resources_history AS resources
    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, kind, address, block_number)
    SETTINGS non_replicated_deduplication_window = 1000;
CREATE TABLE IF NOT EXISTS categories_history AS categories
    ENGINE = ReplacingMergeTree(version, deleted) ORDER BY (chain, id, block_number)
    SETTINGS non_replicated_deduplication_window = 1000;

-- What has changed since some block is found without reading what has not.
ALTER TABLE deals ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE tasks ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE contributions ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE accounts ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE resources ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE categories ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;

-- Sums by the hour of everything that is counted. Read with sum() and GROUP BY: rows that
-- have not been merged yet are several. dimension and key: ALL (''), WORKERPOOL, WORKER, APP,
-- DATASET, REQUESTER (address), CATEGORY (number). Of a WORKER there are contributions,
-- accurate, faulty, earned_workers and seized. hour is that of the block.
CREATE TABLE IF NOT EXISTS series (
    chain             UInt64,
    dimension         LowCardinality(String),
    key               String,
    hour              DateTime('UTC'),
    deals             Int64,
    tasks             Int64,  -- Σ botSize of the deals, of one at most 2^40
    initialized       Int64,
    completed         Int64,
    claimed           Int64,
    contributions     Int64,
    accurate          Int64,
    faulty            Int64,
    latency           Int64,  -- Σ seconds from the deal to the end, of completed tasks
    volume            Int256, -- Σ price paid for completed tasks
    refunded          Int256, -- Σ price given back for claimed tasks
    earned_workers    Int256, -- Σ Reward in the role
    earned_workerpool Int256,
    earned_app        Int256,
    earned_dataset    Int256,
    seized            Int256, -- stakes of workers and of workerpools
    kitty_in          Int256,
    kitty_out         Int256
) ENGINE = SummingMergeTree ORDER BY (chain, dimension, key, hour)
    SETTINGS non_replicated_deduplication_window = 1000;

-- What the sums are made of. Nothing is kept here: a row goes through the view into series,
-- once for each of its dimensions. A block that leaves the chain is taken back with the same
-- rows, of the opposite sign.
CREATE TABLE IF NOT EXISTS measures (
    chain             UInt64,
    time              DateTime('UTC'),
    workerpool        String, -- empty, here and below: none, or not known
    worker            String,
    app               String,
    dataset           String,
    requester         String,
    category          String,
    deals             Int64,
    tasks             Int64,
    initialized       Int64,
    completed         Int64,
    claimed           Int64,
    contributions     Int64,
    accurate          Int64,
    faulty            Int64,
    latency           Int64,
    volume            Int256,
    refunded          Int256,
    earned_workers    Int256,
    earned_workerpool Int256,
    earned_app        Int256,
    earned_dataset    Int256,
    seized            Int256,
    kitty_in          Int256,
    kitty_out         Int256
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS measures_to_series TO series AS
SELECT
    chain, of.1 AS dimension, of.2 AS key, toStartOfHour(time) AS hour,
    sum(m.deals) AS deals, sum(m.tasks) AS tasks, sum(m.initialized) AS initialized, sum(m.completed) AS completed,
    sum(m.claimed) AS claimed, sum(m.contributions) AS contributions, sum(m.accurate) AS accurate, sum(m.faulty) AS faulty,
    sum(m.latency) AS latency, sum(m.volume) AS volume, sum(m.refunded) AS refunded, sum(m.earned_workers) AS earned_workers,
    sum(m.earned_workerpool) AS earned_workerpool, sum(m.earned_app) AS earned_app, sum(m.earned_dataset) AS earned_dataset,
    sum(m.seized) AS seized, sum(m.kitty_in) AS kitty_in, sum(m.kitty_out) AS kitty_out
FROM measures AS m
ARRAY JOIN [('ALL', ''), ('WORKERPOOL', workerpool), ('WORKER', worker), ('APP', app), ('DATASET', dataset),
    ('REQUESTER', requester), ('CATEGORY', category)] AS of
WHERE of.1 = 'ALL' OR of.2 != ''
GROUP BY chain, dimension, key, hour;

-- The ledger of ranges of the newest mark: what of the chain is in the log, and what proves
-- that nothing is missing. The arrays are of one length, one element for each range.
CREATE TABLE IF NOT EXISTS coverage (
    chain        UInt64,
    from_number  Array(UInt64),
    to_number    Array(UInt64), -- inclusive
    verification Array(LowCardinality(String)), -- FETCHED BLOOM RECEIPTS FAILED
    failure      Array(String), -- of a FAILED range: what is not believed
    version      UInt64
) ENGINE = ReplacingMergeTree(version) ORDER BY chain
    SETTINGS non_replicated_deduplication_window = 1000;

-- The batch that was last begun of each partition: the records first to last, written by
-- owner. It is written before the batch's rows, and whoever writes next begins with the very
-- same batch.
CREATE TABLE IF NOT EXISTS plans (
    chain     UInt64,
    topic     String,
    partition UInt32,
    number    UInt64, -- of the batch, from 1
    first     UInt64,
    last      UInt64,
    owner     String,
    time      DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(number) ORDER BY (chain, topic, partition)
    SETTINGS non_replicated_deduplication_window = 1000;

-- A database that was filled before has none of these rows: see 0002.
DROP TABLE IF EXISTS progress;
CREATE TABLE IF NOT EXISTS progress (
    chain       UInt64,
    topic       String,
    partition   UInt32,
    next_offset UInt64
) ENGINE = ReplacingMergeTree(next_offset) ORDER BY (chain, topic, partition)
    SETTINGS non_replicated_deduplication_window = 1000;

-- +goose Down
DROP TABLE plans;
DROP TABLE coverage;
DROP VIEW measures_to_series;
DROP TABLE measures;
DROP TABLE series;
DROP TABLE categories_history;
DROP TABLE resources_history;
DROP TABLE accounts_history;
DROP TABLE contributions_history;
DROP TABLE tasks_history;
DROP TABLE deals_history;
