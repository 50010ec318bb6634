-- The ledger: every nRLC that moved, in double entry, and why each task's money went where
-- it went. Conventions are those of 0001; Int256 may be negative. docs/ledger.md explains
-- accounts, buckets and settlements with an example.

-- +goose Up

-- Two rows for each event that moves money, which add up to zero.
CREATE TABLE IF NOT EXISTS postings_local ON CLUSTER 'assay' (
    chain        UInt64,
    block_number UInt64,
    log_index    UInt32,
    idx          UInt32, -- 0: where the money leaves, 1: where it goes
    tx_hash      String,
    time         DateTime('UTC'),
    event        LowCardinality(String), -- Transfer Lock Unlock Seize
    account      String, -- zero address: outside the escrow
    bucket       LowCardinality(String), -- STAKE LOCKED KITTY PLEDGED OUTSIDE
    amount       Int256,
    task         String, -- empty: no task caused it
    deal         String, -- empty: no deal caused it
    version      UInt64,
    deleted      UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/postings', '{replica}', version, deleted) ORDER BY (chain, block_number, log_index, idx)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS postings ON CLUSTER 'assay' AS postings_local
    ENGINE = Distributed('assay', currentDatabase(), 'postings_local', cityHash64(chain, block_number, log_index, idx));

-- One row for each task that has ended.
CREATE TABLE IF NOT EXISTS settlements_local ON CLUSTER 'assay' (
    chain                  UInt64,
    task                   String,
    deal                   String, -- zero: unknown, of a claimed Boost task
    workerpool             String, -- zero address: unknown, as the deal
    call                   LowCardinality(String), -- FINALIZE CONTRIBUTE_AND_FINALIZE CLAIM PUSH_RESULT_BOOST
    price                  UInt256, -- paid; of a CLAIM refunded
    app_price              UInt256,
    dataset_price          UInt256,
    workerpool_price       UInt256,
    seized                 UInt256, -- stakes of workers
    reward                 UInt256, -- workerpool_price + seized; from here to remainder 0 of a CLAIM
    scheduler_reward_ratio UInt256, -- percent
    workers_reward         UInt256, -- ⌊reward · (100 − scheduler_reward_ratio) / 100⌋
    weights                UInt256, -- Σ log2 of the weights of those who share it; 0: one worker has it all
    rounding               UInt256, -- workers_reward − Σ shares
    remainder              UInt256, -- reward − Σ shares: the scheduler's
    kitty_draw             UInt256,
    kitty_fill             UInt256, -- of a CLAIM only
    exact                  Bool, -- all amounts follow by the rules from the deal and the contributions
    block_number           UInt64,
    log_index              UInt32, -- of the event that ends the task
    tx_hash                String,
    time                   DateTime('UTC'),
    version                UInt64,
    deleted                UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/settlements', '{replica}', version, deleted) ORDER BY (chain, task)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS settlements ON CLUSTER 'assay' AS settlements_local
    ENGINE = Distributed('assay', currentDatabase(), 'settlements_local', cityHash64(chain, task));

-- Who got and lost what in a settlement, in the order of the events. Per account, stake and
-- locked add up to what the call changed.
CREATE TABLE IF NOT EXISTS settlement_lines_local ON CLUSTER 'assay' (
    chain        UInt64,
    task         String,
    idx          UInt32,
    block_number UInt64,
    log_index    UInt32, -- of the event that moves it
    account      String,
    role         LowCardinality(String), -- PAYER WORKER WORKERPOOL APP DATASET KITTY; empty: unknown
    kind         LowCardinality(String), -- PRICE_PAID PRICE_EARNED PRICE_REFUNDED STAKE_RETURNED STAKE_SEIZED REWARD_SHARE SCHEDULER_REMAINDER KITTY_DRAW KITTY_FILL; empty: unknown
    amount       UInt256,
    stake        Int256, -- added to the account's stake
    locked       Int256, -- added to what the account has locked
    weight       UInt256, -- of a REWARD_SHARE, log2; the share is ⌊workers_reward · weight / weights⌋
    version      UInt64,
    deleted      UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/settlement_lines', '{replica}', version, deleted) ORDER BY (chain, task, idx)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS settlement_lines ON CLUSTER 'assay' AS settlement_lines_local
    ENGINE = Distributed('assay', currentDatabase(), 'settlement_lines_local', cityHash64(chain, task, idx));

-- A database that was filled before has none of these rows. Without progress the logs are
-- written again from their beginning: what is there stays as it is, what is not is added.
DROP TABLE IF EXISTS progress ON CLUSTER 'assay' SYNC;
DROP TABLE IF EXISTS progress_local ON CLUSTER 'assay' SYNC;
CREATE TABLE IF NOT EXISTS progress_local ON CLUSTER 'assay' (
    chain       UInt64,
    topic       String,
    partition   UInt32,
    next_offset UInt64
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/progress', '{replica}', next_offset) ORDER BY (chain, topic, partition)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS progress ON CLUSTER 'assay' AS progress_local
    ENGINE = Distributed('assay', currentDatabase(), 'progress_local', cityHash64(chain, topic, partition));

-- +goose Down
DROP TABLE settlement_lines ON CLUSTER 'assay' SYNC;
DROP TABLE settlement_lines_local ON CLUSTER 'assay' SYNC;
DROP TABLE settlements ON CLUSTER 'assay' SYNC;
DROP TABLE settlements_local ON CLUSTER 'assay' SYNC;
DROP TABLE postings ON CLUSTER 'assay' SYNC;
DROP TABLE postings_local ON CLUSTER 'assay' SYNC;
