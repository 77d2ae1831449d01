UPDATE tradingdb.account_sync_state s
SET ledger_version = NULL, cached_sequence = NULL, fence = fence + 1
WHERE ledger_version IS NOT NULL AND coalesce(lease_expires_at < now(), true)
  AND last_generation_at < now() - make_interval(secs => $1::double precision * 86400)
