-- Where each event lies in a topic that holds the events of a source by another key: one row an event and topic, the record of it
-- that was accepted. The event itself is in its source's table.

CREATE TABLE rekeyed_events (
    _topic text NOT NULL,
    event_id text NOT NULL,
    _partition integer NOT NULL,
    _offset bigint NOT NULL,                -- a position
    PRIMARY KEY (_topic, event_id)
);
CREATE UNIQUE INDEX rekeyed_events_position ON rekeyed_events (_topic, _partition, _offset);
