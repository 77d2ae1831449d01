-- The lease of an account that nobody holds or held without giving it back, for a job of which nothing is known yet. Whatever
-- else there is to decide is not decided here: no row then. Nor where somebody is about to write the row: what he writes
-- elsewhere would not be seen. With it, what the last generation left behind and what is new since, as in `ledger_state.sql`
-- ($9: the account's organizations; of the changes at most $10); it is true where no other run has had the account since the
-- look (`is_last`).
WITH free AS (
    SELECT organization_id, pseudo_account FROM tradingdb.account_sync_state
    WHERE organization_id = $1 AND pseudo_account = $2 AND lease_job IS NULL AND last_sync_id IS DISTINCT FROM $3
      AND (last_started_at > $6 AND last_status = 'success' AND (last_forced OR NOT $7)
           AND (last_checked_external OR NOT $8)) IS NOT TRUE
    FOR UPDATE SKIP LOCKED
)
UPDATE tradingdb.account_sync_state s
-- Begun when it looked, not later: a job that is enqueued in between must not count as done by this run. Nor before the
-- run before it ended.
SET fence = fence + 1, lease_job = $3, lease_worker = $4, lease_started_at = greatest(statement_timestamp(), s.last_sync_at),
    lease_expires_at = clock_timestamp() + make_interval(secs => $5)
FROM free
WHERE s.organization_id = free.organization_id AND s.pseudo_account = free.pseudo_account
  AND NOT EXISTS (SELECT FROM tradingdb.sync_outcomes
                  WHERE sync_id = $3 AND organization_id = $1 AND pseudo_account = $2)
  AND NOT EXISTS (SELECT FROM tradingdb.job_crashes
                  WHERE job_id = $3 AND organization_id = $1 AND pseudo_account = $2)
RETURNING s.fence, s.lease_started_at AS "started_at!", s.last_generation_at,
          (SELECT n.fence = s.fence - 1 FROM tradingdb.account_sync_state n
           WHERE n.organization_id = $1 AND n.pseudo_account = $2) AS "is_last!",
          clock_timestamp() AS "now!",
          ARRAY(SELECT id FROM tradingdb.order_changes
                WHERE pseudo_account = $2 AND organization_id = ANY($9) ORDER BY id LIMIT $10) AS "changes!",
          EXISTS (SELECT FROM tradingdb.reference_changes c
                  WHERE c.changed_by >= pg_snapshot_xmin(s.ledger_snapshot)
                    AND NOT pg_visible_in_snapshot(c.changed_by, s.ledger_snapshot)) AS "has_reference_changes!",
          EXISTS (SELECT FROM tradingdb.orders o
                  WHERE o.pseudo_account = $2 AND coalesce(o.organization_id, '') = ANY($9)
                    AND o.source = 'EXTERNAL' AND o.announced_at IS NULL) AS "has_unannounced!",
          s.ledger_version, s.ledger_rebuild_at, s.ledger_whole_at, s.prices_at,
          coalesce(pg_snapshot_xmax(s.ledger_snapshot) <= pg_snapshot_xmax(pg_current_snapshot()), false)
              AS "is_of_this_server!",
          pg_current_snapshot()::text AS "snapshot!",
          s.cached_sequence, s.cached_rows,
          (SELECT count(*) || ' ' || coalesce(sum(version), 0) FROM tradingdb.row_versions v
           WHERE v.pseudo_account = $2 AND v.organization_id = ANY($9)) AS "rows_now!"
