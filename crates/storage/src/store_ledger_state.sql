-- The first statement of a generation's end: if the account is still the run's own ($11 fence, $12 job; no row otherwise), what
-- the next generation goes on from, and the days of the rows ($7 to $9), instead of all there were ($10) or beside them.
WITH held AS (
    UPDATE tradingdb.account_sync_state
    SET last_generation_at = now(), ledger_version = $3, ledger_snapshot = $4::text::pg_snapshot,
        ledger_rebuild_at = $5, prices_at = NULL, cached_sequence = NULL,
        ledger_whole_at = CASE WHEN $6 THEN now() ELSE ledger_whole_at END
    WHERE organization_id = $1 AND pseudo_account = $2 AND fence = $11 AND lease_job = $12
    RETURNING true AS held
),
gone AS (
    DELETE FROM tradingdb.ledger_days
    WHERE $10 AND pseudo_account = $2 AND organization_id = $1 AND strategy_id <> ALL($7::text[])
      AND EXISTS (SELECT FROM held)
),
days AS (
    INSERT INTO tradingdb.ledger_days AS d (pseudo_account, organization_id, strategy_id, view_day, day_before)
    SELECT $2, $1, x.strategy_id, x.view_day, x.day_before
    FROM unnest($7::text[], $8::date[], $9::date[]) AS x (strategy_id, view_day, day_before)
    WHERE EXISTS (SELECT FROM held)
    ON CONFLICT (pseudo_account, organization_id, strategy_id)
    DO UPDATE SET view_day = excluded.view_day, day_before = excluded.day_before
    WHERE (d.view_day, d.day_before) IS DISTINCT FROM (excluded.view_day, excluded.day_before)
)
SELECT held AS "held!" FROM held
