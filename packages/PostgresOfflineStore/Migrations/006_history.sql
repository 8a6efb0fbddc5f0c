-- How far back the history of a topic's partition reaches, in event time, ms. Both only grow.

ALTER TABLE partition_state
    -- rows of events before it were deleted by age
    ADD COLUMN removed_before bigint NOT NULL DEFAULT 0,
    -- from here on every window is whole; what is older and comes now is refused, for it may be a repeat of what was deleted
    ADD COLUMN complete_from bigint NOT NULL DEFAULT 0;

-- Labels of events that never came are found without reading the rest.
CREATE INDEX labels_event_timestamp ON labels (event_timestamp);
