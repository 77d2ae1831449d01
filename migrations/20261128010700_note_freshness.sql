-- How up to date an account is: the end of a job that failed must not hide when it was last in order.
ALTER TABLE tradingdb.account_sync_state
    ADD COLUMN IF NOT EXISTS last_success_at timestamp with time zone,
    ADD COLUMN IF NOT EXISTS due_since timestamp with time zone;
COMMENT ON COLUMN tradingdb.account_sync_state.last_success_at IS 'End of the last run that was success or partial_success, as far as programs that know this column wrote it; else last_sync_at may tell';
COMMENT ON COLUMN tradingdb.account_sync_state.due_since IS 'When its first job of a tick was due, or when it was resumed: what was never synced since is stale since then';
