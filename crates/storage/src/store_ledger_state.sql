-- What the next generation goes on from: the days of the rows ($7 to $9), and that the changes ($10) are in them.
WITH days AS (
    INSERT INTO tradingdb.ledger_days (pseudo_account, organization_id, strategy_id, view_day, day_before)
    SELECT $2, $1, x.strategy_id, x.view_day, x.day_before
    FROM unnest($7::text[], $8::date[], $9::date[]) AS x (strategy_id, view_day, day_before)
    ON CONFLICT (pseudo_account, organization_id, strategy_id)
    DO UPDATE SET view_day = excluded.view_day, day_before = excluded.day_before
),
taken_in AS (
    DELETE FROM tradingdb.order_changes WHERE id = ANY($10::bigint[])
)
UPDATE tradingdb.account_sync_state
SET last_generation_at = now(), ledger_version = $3, ledger_snapshot = $4::text::pg_snapshot,
    ledger_rebuild_at = $5, prices_at = NULL, cached_sequence = NULL,
    ledger_whole_at = CASE WHEN $6 THEN now() ELSE ledger_whole_at END
WHERE organization_id = $1 AND pseudo_account = $2
