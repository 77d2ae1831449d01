-- A job that somebody revoked has an outcome of its own kind.
ALTER TABLE tradingdb.sync_outcomes DROP CONSTRAINT sync_outcomes_status_known;
ALTER TABLE tradingdb.sync_outcomes ADD CONSTRAINT sync_outcomes_status_known
    CHECK (status IN ('success', 'partial_success', 'failed', 'expired', 'revoked')) NOT VALID;
ALTER TABLE tradingdb.sync_outcomes VALIDATE CONSTRAINT sync_outcomes_status_known;
