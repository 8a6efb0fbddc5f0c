-- The definitions that were applied and those that run, with who did it and when.

CREATE TABLE definition_sets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project text NOT NULL,
    stream_hash text NOT NULL,
    changes text NOT NULL,                  -- what differs from the set before, a line each
    applied_by text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE definition_files (
    set_id bigint NOT NULL REFERENCES definition_sets,
    name text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (set_id, name)
);

-- Each time a set was put to work. transform ends, to begin anew, when a row comes that is not of its own hash.
CREATE TABLE definition_rollouts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    set_id bigint NOT NULL REFERENCES definition_sets,
    champions text NOT NULL,                -- service=version of the models that served with the set, a space between
    rolled_out_by text NOT NULL,
    rolled_out_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
