-- What every pipeline has, whatever its definitions. The tables of sources and views are made from feature_repo.

-- One row for each partition of each consumed topic: who owns it and how far everything is.
CREATE TABLE partition_state (
    topic text NOT NULL,
    partition integer NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,        -- raised by every assignment; a write under an older one is refused
    owner text NOT NULL DEFAULT '',
    base bigint NOT NULL DEFAULT 0,         -- position = base + Kafka offset
    next_offset bigint NOT NULL DEFAULT 0,  -- everything before it is in the tables
    published bigint NOT NULL DEFAULT 0,    -- dead letters before it are acknowledged by Kafka
    generation bigint NOT NULL DEFAULT 0,   -- of the online state; raised by every rebuild
    last_timestamp bigint NOT NULL DEFAULT 0,  -- Kafka timestamp and CRC-32 of the record before next_offset:
    last_crc bigint NOT NULL DEFAULT 0,        -- another one there means another log
    duplicates bigint NOT NULL DEFAULT 0,
    gaps bigint NOT NULL DEFAULT 0,         -- offsets the log never handed out
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);

-- Records that were refused, as they came.
CREATE TABLE dead_letters (
    _topic text NOT NULL,
    _partition integer NOT NULL,
    _offset bigint NOT NULL,
    reason text NOT NULL,
    key bytea,
    value bytea,
    record_timestamp timestamptz NOT NULL,
    version text NOT NULL,                  -- hash of the definitions that refused it
    created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (_topic, _partition, _offset)
);

-- Labels as they arrived. The one with the largest available_at counts.
CREATE TABLE labels (
    event_id text NOT NULL,
    available_at timestamptz NOT NULL,
    label smallint NOT NULL CHECK (label IN (0, 1)),
    event_timestamp timestamptz NOT NULL,
    _topic text NOT NULL,
    _partition integer NOT NULL,
    _offset bigint NOT NULL,
    PRIMARY KEY (event_id, available_at)
);
CREATE UNIQUE INDEX labels_position ON labels (_topic, _partition, _offset);

-- What the API answered, with what it knew.
CREATE TABLE predictions (
    prediction_id text PRIMARY KEY,
    transaction_id text NOT NULL,
    entity text NOT NULL,
    created_at timestamptz NOT NULL,
    event_timestamp timestamptz NOT NULL,
    service text NOT NULL,
    model_version text NOT NULL,
    definition_hash text NOT NULL,
    probability double precision NOT NULL,
    threshold double precision NOT NULL,
    is_alert boolean NOT NULL,
    degraded boolean NOT NULL,
    latency_micros bigint NOT NULL,
    request jsonb NOT NULL,
    vector jsonb NOT NULL,
    features_as_of jsonb NOT NULL,
    _topic text NOT NULL,
    _partition integer NOT NULL,
    _offset bigint NOT NULL
);
CREATE UNIQUE INDEX predictions_position ON predictions (_topic, _partition, _offset);
CREATE INDEX predictions_created ON predictions (created_at);
CREATE INDEX predictions_transaction ON predictions (transaction_id);
CREATE INDEX predictions_alerts ON predictions (created_at) WHERE is_alert;
