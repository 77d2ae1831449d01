-- What the last generation of an account ($1, $2; $3) left behind, and what is new since; where something is to be generated
-- ($4), with the holidays.
-- A snapshot from the future is another server's: the database was restored from a dump, and "since then" means
-- nothing there.
SELECT clock_timestamp() AS "now!",
       ARRAY(SELECT id FROM tradingdb.order_changes
             WHERE pseudo_account = $2 AND organization_id = ANY($3) ORDER BY id) AS "changes!",
       EXISTS (SELECT FROM tradingdb.reference_changes c
               WHERE c.changed_by >= pg_snapshot_xmin(s.ledger_snapshot)
                 AND NOT pg_visible_in_snapshot(c.changed_by, s.ledger_snapshot)) AS "has_reference_changes!",
       EXISTS (SELECT FROM tradingdb.orders o
               WHERE o.pseudo_account = $2 AND coalesce(o.organization_id, '') = ANY($3)
                 AND o.source = 'EXTERNAL' AND o.announced_at IS NULL) AS "has_unannounced!",
       s.ledger_version, s.ledger_rebuild_at, s.ledger_whole_at, s.prices_at,
       coalesce(pg_snapshot_xmax(s.ledger_snapshot) <= pg_snapshot_xmax(pg_current_snapshot()), false)
           AS "is_of_this_server!",
       pg_current_snapshot()::text AS "snapshot!",
       s.cached_sequence, s.cached_rows,
       (SELECT count(*) || ' ' || coalesce(sum(version), 0) FROM tradingdb.row_versions v
        WHERE v.pseudo_account = $2 AND v.organization_id = ANY($3)) AS "rows_now!",
       CASE WHEN $4::boolean
            THEN ARRAY(SELECT date FROM tradingdb.market_holidays WHERE exchange = 'NSE' ORDER BY date)
       END AS holidays
FROM (SELECT) one
LEFT JOIN tradingdb.account_sync_state s ON s.organization_id = $1 AND s.pseudo_account = $2
