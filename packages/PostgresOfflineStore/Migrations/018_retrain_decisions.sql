-- What was decided about training again, each time it was asked: to do nothing, too.

CREATE TABLE retrain_decisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service text NOT NULL,
    champion bigint,                        -- the champion then, NULL for none
    decision text NOT NULL,                 -- stayed, failed, or what became of the model: promoted, kept, undecided, requested
    version bigint,                         -- the model that was registered, NULL for none
    fingerprint text,                       -- of the rows that were trained on, NULL for none
    reason text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX retrain_decisions_of_service ON retrain_decisions (service, id);
