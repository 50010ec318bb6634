-- History, sums by the hour, and what makes both exact. Conventions are those of 0001.

-- +goose Up

-- So many inserts are remembered by their tokens: what a sink that was thought dead wakes
-- up to write again is recognised.
ALTER TABLE blocks_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE events_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE deals_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE tasks_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE contributions_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE payouts_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE postings_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE settlements_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE settlement_lines_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE accounts_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE resources_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE categories_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE decisions_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE verdicts_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
ALTER TABLE heads_local ON CLUSTER 'assay' MODIFY SETTING replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;

ALTER TABLE categories_local ON CLUSTER 'assay' ADD COLUMN IF NOT EXISTS block_number UInt64 AFTER work_clock_time_ref;
ALTER TABLE categories ON CLUSTER 'assay' ADD COLUMN IF NOT EXISTS block_number UInt64 AFTER work_clock_time_ref;

-- The twins of the tables whose rows change: one row for each thing and block in which it
-- changed. A block that left the chain leaves tombstones. As of block N, a thing is its row
-- above if that has a block_number of at most N, and else its newest row here that has.
CREATE TABLE IF NOT EXISTS deals_history_local ON CLUSTER 'assay' AS deals_local
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/deals_history', '{replica}', version, deleted) ORDER BY (chain, id, block_number)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS deals_history ON CLUSTER 'assay' AS deals_history_local
    ENGINE = Distributed('assay', currentDatabase(), 'deals_history_local', cityHash64(chain, id));
CREATE TABLE IF NOT EXISTS tasks_history_local ON CLUSTER 'assay' AS tasks_local
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/tasks_history', '{replica}', version, deleted) ORDER BY (chain, id, block_number)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS tasks_history ON CLUSTER 'assay' AS tasks_history_local
    ENGINE = Distributed('assay', currentDatabase(), 'tasks_history_local', cityHash64(chain, id));
CREATE TABLE IF NOT EXISTS contributions_history_local ON CLUSTER 'assay' AS contributions_local
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/contributions_history', '{replica}', version, deleted) ORDER BY (chain, task, worker, block_number)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS contributions_history ON CLUSTER 'assay' AS contributions_history_local
    ENGINE = Distributed('assay', currentDatabase(), 'contributions_history_local', cityHash64(chain, task, worker));
CREATE TABLE IF NOT EXISTS accounts_history_local ON CLUSTER 'assay' AS accounts_local
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/accounts_history', '{replica}', version, deleted) ORDER BY (chain, address, block_number)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS accounts_history ON CLUSTER 'assay' AS accounts_history_local
    ENGINE = Distributed('assay', currentDatabase(), 'accounts_history_local', cityHash64(chain, address));
CREATE TABLE IF NOT EXISTS resources_history_local ON CLUSTER 'assay' AS resources_local
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/resources_history', '{replica}', version, deleted) ORDER BY (chain, kind, address, block_number)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS resources_history ON CLUSTER 'assay' AS resources_history_local
    ENGINE = Distributed('assay', currentDatabase(), 'resources_history_local', cityHash64(chain, kind, address));
CREATE TABLE IF NOT EXISTS categories_history_local ON CLUSTER 'assay' AS categories_local
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/categories_history', '{replica}', version, deleted) ORDER BY (chain, id, block_number)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS categories_history ON CLUSTER 'assay' AS categories_history_local
    ENGINE = Distributed('assay', currentDatabase(), 'categories_history_local', cityHash64(chain, id));

-- What has changed since some block is found without reading what has not.
ALTER TABLE deals_local ON CLUSTER 'assay' ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE tasks_local ON CLUSTER 'assay' ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE contributions_local ON CLUSTER 'assay' ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE accounts_local ON CLUSTER 'assay' ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE resources_local ON CLUSTER 'assay' ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;
ALTER TABLE categories_local ON CLUSTER 'assay' ADD INDEX IF NOT EXISTS changed block_number TYPE minmax GRANULARITY 1;

-- Sums by the hour of everything that is counted. Read with sum() and GROUP BY: rows that
-- have not been merged yet are several. dimension and key: ALL (''), WORKERPOOL, WORKER, APP,
-- DATASET, REQUESTER (address), CATEGORY (number). Of a WORKER there are contributions,
-- accurate, faulty, earned_workers and seized. hour is that of the block.
CREATE TABLE IF NOT EXISTS series_local ON CLUSTER 'assay' (
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
)
    ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/{shard}/{database}/series', '{replica}') ORDER BY (chain, dimension, key, hour)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS series ON CLUSTER 'assay' AS series_local
    ENGINE = Distributed('assay', currentDatabase(), 'series_local', cityHash64(chain, dimension, key, hour));

-- What the sums are made of. Nothing is kept here: a row goes through the view into series,
-- once for each of its dimensions. A block that leaves the chain is taken back with the same
-- rows, of the opposite sign.
CREATE TABLE IF NOT EXISTS measures_local ON CLUSTER 'assay' (
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
)
    ENGINE = Null;
CREATE TABLE IF NOT EXISTS measures ON CLUSTER 'assay' AS measures_local
    ENGINE = Distributed('assay', currentDatabase(), 'measures_local', cityHash64(chain));

CREATE MATERIALIZED VIEW IF NOT EXISTS measures_to_series ON CLUSTER 'assay' TO series_local AS SELECT
    chain, of.1 AS dimension, of.2 AS key, toStartOfHour(time) AS hour,
    sum(m.deals) AS deals, sum(m.tasks) AS tasks, sum(m.initialized) AS initialized, sum(m.completed) AS completed,
    sum(m.claimed) AS claimed, sum(m.contributions) AS contributions, sum(m.accurate) AS accurate, sum(m.faulty) AS faulty,
    sum(m.latency) AS latency, sum(m.volume) AS volume, sum(m.refunded) AS refunded, sum(m.earned_workers) AS earned_workers,
    sum(m.earned_workerpool) AS earned_workerpool, sum(m.earned_app) AS earned_app, sum(m.earned_dataset) AS earned_dataset,
    sum(m.seized) AS seized, sum(m.kitty_in) AS kitty_in, sum(m.kitty_out) AS kitty_out
FROM measures_local AS m
ARRAY JOIN [('ALL', ''), ('WORKERPOOL', workerpool), ('WORKER', worker), ('APP', app), ('DATASET', dataset),
    ('REQUESTER', requester), ('CATEGORY', category)] AS of
WHERE of.1 = 'ALL' OR of.2 != ''
GROUP BY chain, dimension, key, hour;

-- The ledger of ranges of the newest mark: what of the chain is in the log, and what proves
-- that nothing is missing. The arrays are of one length, one element for each range.
CREATE TABLE IF NOT EXISTS coverage_local ON CLUSTER 'assay' (
    chain        UInt64,
    from_number  Array(UInt64),
    to_number    Array(UInt64), -- inclusive
    verification Array(LowCardinality(String)), -- FETCHED BLOOM RECEIPTS FAILED
    failure      Array(String), -- of a FAILED range: what is not believed
    version      UInt64
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/coverage', '{replica}', version) ORDER BY chain
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS coverage ON CLUSTER 'assay' AS coverage_local
    ENGINE = Distributed('assay', currentDatabase(), 'coverage_local', cityHash64(chain));

-- The batch that was last begun of each partition: the records first to last, written by
-- owner. It is written before the batch's rows, and whoever writes next begins with the very
-- same batch.
CREATE TABLE IF NOT EXISTS plans_local ON CLUSTER 'assay' (
    chain     UInt64,
    topic     String,
    partition UInt32,
    number    UInt64, -- of the batch, from 1
    first     UInt64,
    last      UInt64,
    owner     String,
    time      DateTime64(3, 'UTC') DEFAULT now64(3)
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/plans', '{replica}', number) ORDER BY (chain, topic, partition)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS plans ON CLUSTER 'assay' AS plans_local
    ENGINE = Distributed('assay', currentDatabase(), 'plans_local', cityHash64(chain, topic, partition));

-- A database that was filled before has none of these rows: see 0002.
DROP TABLE IF EXISTS progress ON CLUSTER 'assay' SYNC;
DROP TABLE IF EXISTS progress_local ON CLUSTER 'assay' SYNC;
CREATE TABLE IF NOT EXISTS progress_local ON CLUSTER 'assay' (
    chain       UInt64,
    topic       String,
    partition   UInt32,
    next_offset UInt64
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/progress', '{replica}', next_offset) ORDER BY (chain, topic, partition)
    SETTINGS replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS progress ON CLUSTER 'assay' AS progress_local
    ENGINE = Distributed('assay', currentDatabase(), 'progress_local', cityHash64(chain, topic, partition));

-- +goose Down
DROP TABLE plans ON CLUSTER 'assay' SYNC;
DROP TABLE plans_local ON CLUSTER 'assay' SYNC;
DROP TABLE coverage ON CLUSTER 'assay' SYNC;
DROP TABLE coverage_local ON CLUSTER 'assay' SYNC;
DROP VIEW measures_to_series ON CLUSTER 'assay' SYNC;
DROP TABLE measures ON CLUSTER 'assay' SYNC;
DROP TABLE measures_local ON CLUSTER 'assay' SYNC;
DROP TABLE series ON CLUSTER 'assay' SYNC;
DROP TABLE series_local ON CLUSTER 'assay' SYNC;
DROP TABLE categories_history ON CLUSTER 'assay' SYNC;
DROP TABLE categories_history_local ON CLUSTER 'assay' SYNC;
DROP TABLE resources_history ON CLUSTER 'assay' SYNC;
DROP TABLE resources_history_local ON CLUSTER 'assay' SYNC;
DROP TABLE accounts_history ON CLUSTER 'assay' SYNC;
DROP TABLE accounts_history_local ON CLUSTER 'assay' SYNC;
DROP TABLE contributions_history ON CLUSTER 'assay' SYNC;
DROP TABLE contributions_history_local ON CLUSTER 'assay' SYNC;
DROP TABLE tasks_history ON CLUSTER 'assay' SYNC;
DROP TABLE tasks_history_local ON CLUSTER 'assay' SYNC;
DROP TABLE deals_history ON CLUSTER 'assay' SYNC;
DROP TABLE deals_history_local ON CLUSTER 'assay' SYNC;
