-- Models and which of them serves. The files are in the models folder, one folder a version.

CREATE SEQUENCE model_versions;

CREATE TABLE models (
    version bigint PRIMARY KEY,
    service text NOT NULL,
    definition_hash text NOT NULL,
    folder text NOT NULL,                   -- below the models folder
    fingerprint text NOT NULL,              -- of the rows it was made from
    metrics jsonb NOT NULL,                 -- on its holdout
    card jsonb NOT NULL,                    -- its needletail.json without the reference distributions
    registered_at timestamptz NOT NULL DEFAULT now()
);

-- At most one version an alias and service.
CREATE TABLE model_aliases (
    service text NOT NULL,
    alias text NOT NULL,
    version bigint NOT NULL REFERENCES models,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (service, alias)
);

-- Every change of an alias, in the order it happened.
CREATE TABLE model_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    alias text NOT NULL,
    version bigint NOT NULL REFERENCES models,
    previous bigint REFERENCES models,      -- what it was before, NULL for none
    reason text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- Recent rows against the champion's reference.
CREATE TABLE drift_reports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    service text NOT NULL,
    version bigint NOT NULL REFERENCES models,
    from_timestamp timestamptz NOT NULL,    -- event times of the recent rows
    to_timestamp timestamptz NOT NULL,
    row_count bigint NOT NULL,
    is_drifted boolean NOT NULL,
    report jsonb NOT NULL
);
CREATE INDEX drift_reports_created ON drift_reports (created_at);
