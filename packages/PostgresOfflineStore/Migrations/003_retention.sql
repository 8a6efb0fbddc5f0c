-- What recovery and retention must remember of a partition.

ALTER TABLE partition_state
    -- partitions of the topic when it was first read: a key's partition follows from it, so another number is a migration
    ADD COLUMN partition_count integer NOT NULL DEFAULT 0,  -- 0: not noted yet
    -- rows and dead letters that were deleted by age: rows + dead letters + duplicates + gaps + removed = next_offset
    ADD COLUMN removed bigint NOT NULL DEFAULT 0;

-- What is old is found without reading the rest.
CREATE INDEX dead_letters_created ON dead_letters (created);
