-- Answers as rows of a third of their former size. What many have in common is stored once, what is text twice only once, and the
-- view `predictions` shows them as before. Rows that are stored already, and those that do not fit the short form, keep the long one.

-- What the answers of a model to requests of one form have in common:
-- {"service", "model_version", "definition_hash", "threshold", "fields": names of the request, "views": [[name, topic]]}.
CREATE TABLE prediction_kinds (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content jsonb NOT NULL
);
CREATE UNIQUE INDEX prediction_kinds_content ON prediction_kinds (md5(content::text));

ALTER TABLE predictions RENAME TO prediction_rows;
ALTER TABLE prediction_rows
    ALTER COLUMN service DROP NOT NULL,
    ALTER COLUMN model_version DROP NOT NULL,
    ALTER COLUMN definition_hash DROP NOT NULL,
    ALTER COLUMN threshold DROP NOT NULL,
    ALTER COLUMN request DROP NOT NULL,
    ALTER COLUMN vector DROP NOT NULL,
    ALTER COLUMN features_as_of DROP NOT NULL,
    ADD COLUMN kind integer,            -- NULL: the long form. No foreign key: kinds are never deleted, and checking costs each row
    ADD COLUMN request_values json,     -- in the order of the kind's fields; null is the transaction's id, [] the entity's key
    ADD COLUMN features bytea,          -- the bits of the vector: see prediction_vector
    ADD COLUMN positions json;          -- [generation, partition, offset, as_of] of each of the kind's views

-- A row is stored once by its id, and each batch by its partition's next_offset: the position needs no index that every row pays for.
DROP INDEX predictions_position;
CREATE INDEX predictions_offset ON prediction_rows USING brin (_offset) WITH (pages_per_range = 32, autosummarize = on);
-- By a hash of the id: half the size of an index of the texts, and one whose pages fill evenly.
DROP INDEX predictions_transaction;
CREATE INDEX predictions_transaction ON prediction_rows (hashtext(transaction_id));

-- A request from its values.
CREATE FUNCTION prediction_request(fields jsonb, request_values json, transaction_id text, entity text)
RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(f.name, CASE json_typeof(v.value)
        WHEN 'null' THEN to_jsonb(transaction_id) WHEN 'array' THEN to_jsonb(entity) ELSE v.value::jsonb END), '{}')
    FROM jsonb_array_elements_text(fields) WITH ORDINALITY f(name, n)
    JOIN json_array_elements(request_values) WITH ORDINALITY v(value, n) USING (n)
$$;

-- A vector from its bits. Each value is a byte and what belongs to it: 0 missing; 1-8 so many first bytes of the double, the others
-- zero; 17-23 hundredths in 1-7 bytes, 25-31 the same below zero; 32 a text after its length; 128-255 the numbers 0-127.
CREATE FUNCTION prediction_vector(features bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    place integer := 0;
    tag integer;
    size integer;
    bits bigint;
    exponent integer;
    fraction bigint;
    number double precision;
    elements jsonb[] := '{}';
BEGIN
    WHILE place < length(features) LOOP
        tag := get_byte(features, place);
        place := place + 1;
        size := 0;
        IF tag >= 128 THEN
            elements := array_append(elements, to_jsonb(tag - 128));
        ELSIF tag = 0 THEN
            elements := array_append(elements, 'null'::jsonb);
        ELSIF tag <= 8 THEN
            size := tag;
            bits := ('x' || rpad(encode(substr(features, place + 1, size), 'hex'), 16, '0'))::bit(64)::bigint;
            exponent := ((bits >> 52) & 2047)::integer;
            fraction := bits & 4503599627370495;
            -- Each step is exact: a number below 2^53 times a power of two.
            IF exponent = 0 THEN
                number := fraction::double precision * 2::double precision ^ (-1074);
            ELSE
                number := (fraction + 4503599627370496)::double precision * 2::double precision ^ (exponent - 1075);
            END IF;
            elements := array_append(elements, to_jsonb(CASE WHEN bits < 0 THEN -number ELSE number END));
        ELSIF tag = 32 THEN
            size := get_byte(features, place) + 1;
            elements := array_append(elements, to_jsonb(convert_from(substr(features, place + 2, size - 1), 'UTF8')));
        ELSE
            size := tag & 7;
            bits := ('x' || lpad(encode(substr(features, place + 1, size), 'hex'), 16, '0'))::bit(64)::bigint;
            number := bits::double precision / 100;
            elements := array_append(elements, to_jsonb(CASE WHEN tag >= 24 THEN -number ELSE number END));
        END IF;
        place := place + size;
    END LOOP;
    RETURN to_jsonb(elements);
END
$$;

-- The position of each view's state.
CREATE FUNCTION prediction_positions(views jsonb, positions json) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(v.view->>0, jsonb_strip_nulls(jsonb_build_object('generation', p.at->0, 'topic', v.view->1,
        'partition', p.at->1, 'offset', p.at->2, 'as_of', p.at->3))), '{}')
    FROM jsonb_array_elements(views) WITH ORDINALITY v(view, n)
    JOIN json_array_elements(positions) WITH ORDINALITY p(at, n) USING (n)
$$;

-- What the API answered, with what it knew.
CREATE VIEW predictions AS
SELECT r.prediction_id, r.transaction_id, r.entity, r.created_at, r.event_timestamp,
    coalesce(r.service, k.content->>'service') AS service,
    coalesce(r.model_version, k.content->>'model_version') AS model_version,
    coalesce(r.definition_hash, k.content->>'definition_hash') AS definition_hash,
    r.probability, coalesce(r.threshold, (k.content->>'threshold')::double precision) AS threshold, r.is_alert, r.degraded,
    r.latency_micros,
    coalesce(r.request, prediction_request(k.content->'fields', r.request_values, r.transaction_id, r.entity)) AS request,
    coalesce(r.vector, prediction_vector(r.features)) AS vector,
    coalesce(r.features_as_of, prediction_positions(k.content->'views', r.positions)) AS features_as_of,
    r._topic, r._partition, r._offset
FROM prediction_rows r LEFT JOIN prediction_kinds k ON k.id = r.kind;

-- The view is read as the table was; where the roles are missing, somebody else makes both.
DO $$
BEGIN
    GRANT SELECT ON predictions, prediction_kinds TO needletail_viewer;
EXCEPTION WHEN undefined_object THEN NULL;
END $$;
