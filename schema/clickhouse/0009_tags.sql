-- Sums by the hour of what deals ask of their workers: of each tag (TAG, 256 bits in
-- hexadecimal), and of each framework for trusted execution that tags ask for (TEE).

-- +goose Up

ALTER TABLE measures ADD COLUMN IF NOT EXISTS tag String AFTER category;

-- The sums are made anew: see 0003.
DROP VIEW IF EXISTS measures_to_series;
DROP TABLE IF EXISTS series;
CREATE TABLE IF NOT EXISTS series (
    chain             UInt64,
    dimension         LowCardinality(String),
    key               String,
    hour              DateTime('UTC'),
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
) ENGINE = SummingMergeTree ORDER BY (chain, dimension, key, hour)
    SETTINGS non_replicated_deduplication_window = 1000;

-- The lowest four bits of a tag name the framework, of which the lowest says that there is one
-- (iexec-commons TeeUtils).
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
    ('REQUESTER', requester), ('CATEGORY', category), ('TAG', tag),
    ('TEE', if(tag = '', '', transform(substring(tag, -1), ['1', '3', '5', '7', '9', 'b', 'd', 'f'], ['OTHER', 'SCONE', 'GRAMINE', 'OTHER', 'TDX', 'OTHER', 'OTHER', 'OTHER'], 'NONE')))] AS of
WHERE of.1 = 'ALL' OR of.2 != ''
GROUP BY chain, dimension, key, hour;

DROP TABLE IF EXISTS progress;
CREATE TABLE IF NOT EXISTS progress (
    chain       UInt64,
    topic       String,
    partition   UInt32,
    next_offset UInt64
) ENGINE = ReplacingMergeTree(next_offset) ORDER BY (chain, topic, partition)
    SETTINGS non_replicated_deduplication_window = 1000;

-- +goose Down
DROP VIEW measures_to_series;
DROP TABLE series;
CREATE TABLE IF NOT EXISTS series (
    chain             UInt64,
    dimension         LowCardinality(String),
    key               String,
    hour              DateTime('UTC'),
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
) ENGINE = SummingMergeTree ORDER BY (chain, dimension, key, hour)
    SETTINGS non_replicated_deduplication_window = 1000;
ALTER TABLE measures DROP COLUMN tag;
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
DROP TABLE progress;
CREATE TABLE IF NOT EXISTS progress (
    chain       UInt64,
    topic       String,
    partition   UInt32,
    next_offset UInt64
) ENGINE = ReplacingMergeTree(next_offset) ORDER BY (chain, topic, partition)
    SETTINGS non_replicated_deduplication_window = 1000;
