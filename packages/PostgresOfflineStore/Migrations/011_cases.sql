-- What people do about alerts, and how their verdicts become labels.

-- How far each case is. A prediction without a row is open.
CREATE TABLE cases (
    prediction_id text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('open', 'claimed', 'snoozed', 'fraud', 'legitimate')),
    owner text NOT NULL DEFAULT '',
    until timestamptz,                      -- when a claim or a snooze ends
    feedback_id text,                       -- of the verdict that counts
    score double precision NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cases_judged ON cases (changed_at) WHERE status IN ('fraud', 'legitimate');

-- Everything that was ever done, by whom. Rows are added and never changed: the roles below cannot.
CREATE TABLE case_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,                   -- fraud, legitimate, note, claim, snooze, undo, retract, reveal
    prediction_id text NOT NULL DEFAULT '', -- empty where it is about no case
    reviewer text NOT NULL,
    database_role text NOT NULL DEFAULT session_user,
    note text NOT NULL DEFAULT '',
    feedback_id text
);
CREATE INDEX case_journal_prediction ON case_journal (prediction_id, id);

-- Verdicts on their way to the topic of labels: written in one transaction with the journal, sent by whoever comes first.
CREATE TABLE label_outbox (
    feedback_id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    key bytea NOT NULL,
    value bytea NOT NULL,
    due_at timestamptz NOT NULL,
    sent_at timestamptz,
    cancelled_at timestamptz
);
CREATE INDEX label_outbox_due ON label_outbox (due_at) WHERE sent_at IS NULL AND cancelled_at IS NULL;

-- A verdict is a label with more to it. Each is stored once by its feedback id; one that retracts another takes it back.
ALTER TABLE labels
    ADD COLUMN feedback_id text NOT NULL DEFAULT '',
    ADD COLUMN retracts text NOT NULL DEFAULT '',
    ADD COLUMN reviewer text NOT NULL DEFAULT '';
ALTER TABLE labels DROP CONSTRAINT labels_pkey;
ALTER TABLE labels ADD PRIMARY KEY (event_id, available_at, feedback_id);
CREATE INDEX labels_retracts ON labels (retracts) WHERE retracts <> '';

-- An entity's history, and the random share of answers below the threshold that people look at, too: at most 205 of 4,096.
CREATE INDEX predictions_entity ON predictions (entity, event_timestamp);
CREATE INDEX predictions_audit ON predictions (created_at)
    WHERE NOT is_alert AND substr(md5(prediction_id), 1, 3) COLLATE "C" < '0cd';

-- Who may do what: `GRANT needletail_analyst TO alice`. Where the migrating role may not make roles, somebody else does.
DO $$
BEGIN
    CREATE ROLE needletail_viewer NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege OR internal_error THEN NULL;
END $$;
DO $$
BEGIN
    CREATE ROLE needletail_analyst NOLOGIN IN ROLE needletail_viewer;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege OR undefined_object OR internal_error THEN NULL;
END $$;
DO $$
BEGIN
    IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('needletail_viewer', 'needletail_analyst')) = 2 THEN
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO needletail_viewer;
        -- The text of the definitions says where the stores are, and may hold their passwords.
        REVOKE SELECT ON definition_files FROM needletail_viewer, needletail_analyst;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO needletail_viewer;
        GRANT INSERT ON case_journal TO needletail_analyst;
        GRANT INSERT, UPDATE ON cases, label_outbox TO needletail_analyst;
    END IF;
END $$;
