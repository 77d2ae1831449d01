-- A snapshot from the future is another server's: the database was restored from a dump, and "since then" means
-- nothing there.
SELECT s.ledger_version, s.ledger_rebuild_at, s.ledger_whole_at, s.prices_at,
       coalesce(pg_snapshot_xmax(s.ledger_snapshot) <= pg_snapshot_xmax(pg_current_snapshot()), false)
           AS "is_of_this_server!",
       pg_current_snapshot()::text AS "snapshot!",
       s.cached_sequence, s.cached_rows,
       (SELECT count(*) || ' ' || coalesce(sum(version), 0) FROM tradingdb.row_versions v
        WHERE v.pseudo_account = $2 AND v.organization_id = ANY($3)) AS "rows_now!",
       ARRAY(SELECT date FROM tradingdb.market_holidays WHERE exchange = 'NSE' ORDER BY date) AS "holidays!"
FROM (SELECT) one
LEFT JOIN tradingdb.account_sync_state s ON s.organization_id = $1 AND s.pseudo_account = $2
