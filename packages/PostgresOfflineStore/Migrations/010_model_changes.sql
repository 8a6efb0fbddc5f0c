-- Who changed what about models and why, and what waits for a second person.

ALTER TABLE models ADD COLUMN archived_at timestamptz;
ALTER TABLE models ADD COLUMN deleted_at timestamptz;   -- its folder is gone; the row stays, for the history

-- A change that moves no alias has none; an alias that was taken from a model has no version.
ALTER TABLE model_history ALTER COLUMN alias DROP NOT NULL;
ALTER TABLE model_history ALTER COLUMN version DROP NOT NULL;
ALTER TABLE model_history ADD COLUMN action text NOT NULL DEFAULT 'promote';
ALTER TABLE model_history ADD COLUMN actor text NOT NULL DEFAULT '';
ALTER TABLE model_history ADD COLUMN approved_by text;
ALTER TABLE model_history ADD COLUMN is_forced boolean NOT NULL DEFAULT false;

-- Promotions that wait for somebody else's word, one a service.
CREATE TABLE model_requests (
    service text PRIMARY KEY,
    version bigint NOT NULL REFERENCES models,
    replacing bigint,                       -- the champion it was compared with, NULL for none
    actor text NOT NULL,
    reason text NOT NULL,
    is_forced boolean NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now()
);
