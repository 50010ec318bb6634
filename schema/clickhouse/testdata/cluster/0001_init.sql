-- Rows of the marketplace, folded from the logs.
--
-- Conventions: chain is the EVM chain id; addresses and hashes are lower-case hex with
-- 0x; amounts are nRLC in UInt256; times are UTC. Every row is the newest state of one
-- thing. version is the sequence of the chain log record that made it (for rows from the
-- decisions log: offset), so writing a row twice changes nothing and a reorg is undone by
-- a newer row: the earlier state again, or a tombstone (deleted = 1). Read with FINAL.
-- The deduplication window lets an insert that is tried again after an uncertain failure
-- be recognised by its token.
--
-- ClickHouse has no transactions: a migration that was interrupted runs again from its
-- start, so every statement must bear that (IF NOT EXISTS).

-- +goose Up
CREATE TABLE IF NOT EXISTS blocks_local ON CLUSTER 'assay' (
    chain       UInt64,
    number      UInt64,
    hash        String,
    parent_hash String,
    time        DateTime('UTC'),
    version     UInt64,
    deleted     UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/blocks', '{replica}', version, deleted) ORDER BY (chain, number)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS blocks ON CLUSTER 'assay' AS blocks_local
    ENGINE = Distributed('assay', currentDatabase(), 'blocks_local', cityHash64(chain, number));

CREATE TABLE IF NOT EXISTS events_local ON CLUSTER 'assay' (
    chain        UInt64,
    block_number UInt64,
    log_index    UInt32,
    block_hash   String,
    time         DateTime('UTC'),
    tx_hash      String,
    tx_index     UInt32,
    emitter      String,
    name         LowCardinality(String),
    args         String, -- JSON object, keys in field order
    version      UInt64,
    deleted      UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/events', '{replica}', version, deleted) ORDER BY (chain, block_number, log_index)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS events ON CLUSTER 'assay' AS events_local
    ENGINE = Distributed('assay', currentDatabase(), 'events_local', cityHash64(chain, block_number, log_index));

CREATE TABLE IF NOT EXISTS deals_local ON CLUSTER 'assay' (
    chain                  UInt64,
    id                     String,
    app                    String,
    app_owner              String,
    app_price              UInt256,
    dataset                String, -- zero address: none
    dataset_owner          String,
    dataset_price          UInt256,
    workerpool             String,
    workerpool_owner       String,
    workerpool_price       UInt256,
    trust                  UInt256,
    category               UInt256,
    tag                    String,
    requester              String,
    beneficiary            String,
    callback               String,
    params                 String,
    start_time             DateTime('UTC'),
    bot_first              UInt64,
    bot_size               UInt64,
    worker_stake           UInt256,
    scheduler_reward_ratio UInt256,
    sponsor                String,
    block_number           UInt64,
    tx_hash                String,
    version                UInt64,
    deleted                UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/deals', '{replica}', version, deleted) ORDER BY (chain, id)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS deals ON CLUSTER 'assay' AS deals_local
    ENGINE = Distributed('assay', currentDatabase(), 'deals_local', cityHash64(chain, id));

CREATE TABLE IF NOT EXISTS tasks_local ON CLUSTER 'assay' (
    chain                 UInt64,
    id                    String,
    deal                  String,
    idx                   UInt64,
    workerpool            String,
    requester             String,
    status                LowCardinality(String), -- ACTIVE REVEALING COMPLETED FAILED
    contribution_deadline DateTime('UTC'),
    reveal_deadline       DateTime('UTC'), -- 1970: none
    final_deadline        DateTime('UTC'),
    consensus_value       String,
    reveal_counter        UInt64,
    winner_counter        UInt64,
    contributors          UInt64,
    reopened              UInt64, -- how many times
    result_digest         String,
    results               String, -- raw bytes
    results_callback      String, -- raw bytes
    initialized_at        DateTime('UTC'),
    ended_at              DateTime('UTC'), -- 1970: not yet
    block_number          UInt64, -- of the last change
    version               UInt64,
    deleted               UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/tasks', '{replica}', version, deleted) ORDER BY (chain, id)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS tasks ON CLUSTER 'assay' AS tasks_local
    ENGINE = Distributed('assay', currentDatabase(), 'tasks_local', cityHash64(chain, id));

CREATE TABLE IF NOT EXISTS contributions_local ON CLUSTER 'assay' (
    chain             UInt64,
    task              String,
    worker            String,
    deal              String,
    workerpool        String,
    status            LowCardinality(String), -- CONTRIBUTED PROVED REJECTED
    result_hash       String,
    result_seal       String,
    enclave_challenge String,
    weight            UInt256, -- log2
    accurate          Nullable(Bool), -- null: the task has not been finalized
    contributed_at    DateTime('UTC'),
    revealed_at       DateTime('UTC'), -- 1970: not revealed
    block_number      UInt64, -- of the last change
    tx_hash           String, -- of the contribution
    version           UInt64,
    deleted           UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/contributions', '{replica}', version, deleted) ORDER BY (chain, task, worker)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS contributions ON CLUSTER 'assay' AS contributions_local
    ENGINE = Distributed('assay', currentDatabase(), 'contributions_local', cityHash64(chain, task, worker));

-- One row for each Reward and each Seize.
CREATE TABLE IF NOT EXISTS payouts_local ON CLUSTER 'assay' (
    chain        UInt64,
    block_number UInt64,
    log_index    UInt32,
    tx_hash      String,
    time         DateTime('UTC'),
    kind         LowCardinality(String), -- REWARD SEIZE
    role         LowCardinality(String), -- REWARD: WORKER WORKERPOOL APP DATASET KITTY; SEIZE: PAYER WORKER WORKERPOOL KITTY
    account      String,
    amount       UInt256,
    task         String,
    deal         String,
    workerpool   String,
    version      UInt64,
    deleted      UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/payouts', '{replica}', version, deleted) ORDER BY (chain, block_number, log_index)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS payouts ON CLUSTER 'assay' AS payouts_local
    ENGINE = Distributed('assay', currentDatabase(), 'payouts_local', cityHash64(chain, block_number, log_index));

CREATE TABLE IF NOT EXISTS accounts_local ON CLUSTER 'assay' (
    chain        UInt64,
    address      String,
    stake        UInt256, -- viewAccount.stake
    locked       UInt256, -- viewAccount.locked
    score        UInt256, -- viewScore
    deposited    UInt256,
    withdrawn    UInt256,
    earned       UInt256, -- Σ Reward
    spent        UInt256, -- Σ Seize as payer of tasks
    seized       UInt256, -- Σ other Seize
    block_number UInt64,  -- of the last change
    version      UInt64,
    deleted      UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/accounts', '{replica}', version, deleted) ORDER BY (chain, address)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS accounts ON CLUSTER 'assay' AS accounts_local
    ENGINE = Distributed('assay', currentDatabase(), 'accounts_local', cityHash64(chain, address));

CREATE TABLE IF NOT EXISTS resources_local ON CLUSTER 'assay' (
    chain                  UInt64,
    kind                   LowCardinality(String), -- APP DATASET WORKERPOOL
    address                String,
    owner                  String,
    name                   String, -- a workerpool's description
    type                   String,
    multiaddr              String, -- raw bytes
    checksum               String,
    mrenclave              String, -- raw bytes
    worker_stake_ratio     UInt256, -- percent
    scheduler_reward_ratio UInt256, -- percent
    registered_at          DateTime('UTC'),
    block_number           UInt64, -- of the last change
    version                UInt64,
    deleted                UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/resources', '{replica}', version, deleted) ORDER BY (chain, kind, address)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS resources ON CLUSTER 'assay' AS resources_local
    ENGINE = Distributed('assay', currentDatabase(), 'resources_local', cityHash64(chain, kind, address));

CREATE TABLE IF NOT EXISTS categories_local ON CLUSTER 'assay' (
    chain               UInt64,
    id                  UInt256,
    name                String,
    description         String,
    work_clock_time_ref UInt64, -- seconds
    version             UInt64,
    deleted             UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/categories', '{replica}', version, deleted) ORDER BY (chain, id)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS categories ON CLUSTER 'assay' AS categories_local
    ENGINE = Distributed('assay', currentDatabase(), 'categories_local', cityHash64(chain, id));

-- What pools' engines decided, each record of the decisions log.
CREATE TABLE IF NOT EXISTS decisions_local ON CLUSTER 'assay' (
    chain      UInt64,
    id         String,
    kind       LowCardinality(String), -- assignment verdict consensus intent submission outcome alert
    workerpool String,
    task       String,
    worker     String,
    time       DateTime('UTC'),
    body       String, -- JSON object, keys in field order
    partition  UInt32,
    version    UInt64, -- offset
    deleted    UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/decisions', '{replica}', version, deleted) ORDER BY (chain, id)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS decisions ON CLUSTER 'assay' AS decisions_local
    ENGINE = Distributed('assay', currentDatabase(), 'decisions_local', cityHash64(chain, id));

CREATE TABLE IF NOT EXISTS verdicts_local ON CLUSTER 'assay' (
    chain             UInt64,
    id                String,
    workerpool        String,
    task              String,
    worker            String,
    time              DateTime('UTC'),
    outcome           LowCardinality(String), -- ACCEPTED REJECTED
    reason            LowCardinality(String), -- assaypb.Reason without its prefix
    detail            String,
    message           String,
    result_hash       String,
    enclave_challenge String,
    agreement         String,
    quote_hash        String,
    mrenclave         String,
    source_partition  UInt32, -- in the contributions log
    source_offset     UInt64,
    version           UInt64, -- offset in the decisions log
    deleted           UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/verdicts', '{replica}', version, deleted) ORDER BY (chain, id)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS verdicts ON CLUSTER 'assay' AS verdicts_local
    ENGINE = Distributed('assay', currentDatabase(), 'verdicts_local', cityHash64(chain, id));

-- How far the chain is indexed: the newest mark whose rows are all written.
CREATE TABLE IF NOT EXISTS heads_local ON CLUSTER 'assay' (
    chain            UInt64,
    head_number      UInt64,
    head_hash        String,
    head_time        DateTime('UTC'),
    finalized_number UInt64,
    finalized_hash   String,
    version          UInt64
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/heads', '{replica}', version) ORDER BY chain
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS heads ON CLUSTER 'assay' AS heads_local
    ENGINE = Distributed('assay', currentDatabase(), 'heads_local', cityHash64(chain));

-- The next offset to read of each partition, written after the rows of all before it.
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
DROP TABLE progress ON CLUSTER 'assay' SYNC;
DROP TABLE progress_local ON CLUSTER 'assay' SYNC;
DROP TABLE heads ON CLUSTER 'assay' SYNC;
DROP TABLE heads_local ON CLUSTER 'assay' SYNC;
DROP TABLE verdicts ON CLUSTER 'assay' SYNC;
DROP TABLE verdicts_local ON CLUSTER 'assay' SYNC;
DROP TABLE decisions ON CLUSTER 'assay' SYNC;
DROP TABLE decisions_local ON CLUSTER 'assay' SYNC;
DROP TABLE categories ON CLUSTER 'assay' SYNC;
DROP TABLE categories_local ON CLUSTER 'assay' SYNC;
DROP TABLE resources ON CLUSTER 'assay' SYNC;
DROP TABLE resources_local ON CLUSTER 'assay' SYNC;
DROP TABLE accounts ON CLUSTER 'assay' SYNC;
DROP TABLE accounts_local ON CLUSTER 'assay' SYNC;
DROP TABLE payouts ON CLUSTER 'assay' SYNC;
DROP TABLE payouts_local ON CLUSTER 'assay' SYNC;
DROP TABLE contributions ON CLUSTER 'assay' SYNC;
DROP TABLE contributions_local ON CLUSTER 'assay' SYNC;
DROP TABLE tasks ON CLUSTER 'assay' SYNC;
DROP TABLE tasks_local ON CLUSTER 'assay' SYNC;
DROP TABLE deals ON CLUSTER 'assay' SYNC;
DROP TABLE deals_local ON CLUSTER 'assay' SYNC;
DROP TABLE events ON CLUSTER 'assay' SYNC;
DROP TABLE events_local ON CLUSTER 'assay' SYNC;
DROP TABLE blocks ON CLUSTER 'assay' SYNC;
DROP TABLE blocks_local ON CLUSTER 'assay' SYNC;
