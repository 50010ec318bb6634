-- What became of quotes: one row for each verdict for which one was judged. Conventions are
-- those of 0001. What a refused quote says of its enclave and platform is not believed, and
-- empty here. docs/attestation.md explains the words, and how to judge a quote again.

-- +goose Up

CREATE TABLE IF NOT EXISTS attestations_local ON CLUSTER 'assay' (
    chain             UInt64,
    verdict           String, -- id of the verdict's decision
    workerpool        String,
    task              String,
    worker            String,
    accepted          Bool,
    class             LowCardinality(String), -- of the check that refused, else empty: format chain signature …
    check_name        LowCardinality(String), -- its name
    detail            String,
    mode              LowCardinality(String), -- RESULT SESSION
    tee               LowCardinality(String), -- SGX TDX; empty: the quote could not be read
    tcb_status        LowCardinality(String), -- as Intel writes it: UpToDate …; Unknown where refused
    platform_status   LowCardinality(String),
    qe_status         LowCardinality(String),
    module_status     LowCardinality(String),
    advisories        Array(String),
    mrenclave         String, -- MRTD of a TD
    mrsigner          String, -- empty of a TD
    product_id        UInt32,
    svn               UInt32,
    fmspc             String,
    platform_id       String, -- SHA-256 of the PPID
    evaluation_number UInt32,
    collateral_hash   String,
    policy_hash       String,
    not_before        DateTime('UTC'), -- 1970: refused
    not_after         DateTime('UTC'),
    judged_at         DateTime('UTC'), -- the chain's time
    quote             String CODEC(ZSTD(3)), -- raw bytes, as they came
    report_data       String, -- that the quote had to carry
    version           UInt64, -- offset in the decisions log
    deleted           UInt8
)
    ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/attestations', '{replica}', version, deleted) ORDER BY (chain, verdict)
    SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800;
CREATE TABLE IF NOT EXISTS attestations ON CLUSTER 'assay' AS attestations_local
    ENGINE = Distributed('assay', currentDatabase(), 'attestations_local', cityHash64(chain, verdict));

-- A contribution's attestation is looked for by its task and worker.
ALTER TABLE attestations_local ON CLUSTER 'assay' ADD INDEX IF NOT EXISTS contribution concat(task, worker) TYPE bloom_filter GRANULARITY 1;

-- +goose Down
DROP TABLE attestations ON CLUSTER 'assay' SYNC;
DROP TABLE attestations_local ON CLUSTER 'assay' SYNC;
