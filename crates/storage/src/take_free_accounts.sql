-- The leases of accounts that nobody holds or held without giving them back, for jobs of which nothing is known yet; by the
-- `number` of those that ask. Whatever else there is to decide is not decided here: no row then. Nor where somebody is about
-- to write the account's row or has just done so: what he writes elsewhere would not be seen, and nobody waits for the others.
-- With it, what the last generation left behind and what is new since, as in `ledger_state.sql` (of the changes at most $10).
WITH asking AS (
    SELECT *,
           -- The default organization's rows may have none.
           CASE WHEN organization_id = $9 THEN ARRAY[organization_id, ''] ELSE ARRAY[organization_id] END AS organizations,
           -- By the job alone: what an index by the account finds is its whole past.
           EXISTS (SELECT FROM tradingdb.sync_outcomes o
                   WHERE o.sync_id = a.job_id AND o.organization_id IS NOT DISTINCT FROM a.organization_id
                     AND o.pseudo_account IS NOT DISTINCT FROM a.pseudo_account)
           OR EXISTS (SELECT FROM tradingdb.job_crashes c
                      WHERE c.job_id = a.job_id AND c.organization_id IS NOT DISTINCT FROM a.organization_id
                        AND c.pseudo_account IS NOT DISTINCT FROM a.pseudo_account) AS is_known
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::timestamptz[], $7::boolean[], $8::boolean[])
        WITH ORDINALITY AS a (organization_id, pseudo_account, job_id, worker, hold, enqueued_at, forced, checked, number)
),
free AS (
    SELECT a.*, s.place
    FROM asking a, LATERAL (
        SELECT ctid AS place FROM tradingdb.account_sync_state
        WHERE organization_id = a.organization_id AND pseudo_account = a.pseudo_account
          AND lease_job IS NULL AND last_sync_id IS DISTINCT FROM a.job_id
          AND (last_started_at > a.enqueued_at AND last_status = 'success' AND (last_forced OR NOT a.forced)
               AND (last_checked_external OR NOT a.checked)) IS NOT TRUE
        FOR UPDATE SKIP LOCKED
    ) s
    WHERE NOT a.is_known
)
UPDATE tradingdb.account_sync_state s
-- Begun when it looked, not later: a job that is enqueued in between must not count as done by this run. Nor before the
-- run before it ended.
SET fence = fence + 1, lease_job = free.job_id, lease_worker = free.worker,
    lease_started_at = greatest(statement_timestamp(), s.last_sync_at),
    lease_expires_at = clock_timestamp() + make_interval(secs => free.hold)
FROM free
-- Not by its key: where the row has been written since the look, this is no place that the look can see.
WHERE s.ctid = free.place
RETURNING free.number AS "number!", s.fence, s.lease_started_at AS "started_at!", s.last_generation_at,
          clock_timestamp() AS "now!",
          ARRAY(SELECT id FROM tradingdb.order_changes
                WHERE pseudo_account = s.pseudo_account AND organization_id = ANY(free.organizations)
                -- Else the plan for few of them is to read all accounts' in their order.
                ORDER BY id + 0 LIMIT $10) AS "changes!",
          EXISTS (SELECT FROM tradingdb.reference_changes c
                  WHERE c.changed_by >= pg_snapshot_xmin(s.ledger_snapshot)
                    AND NOT pg_visible_in_snapshot(c.changed_by, s.ledger_snapshot)) AS "has_reference_changes!",
          EXISTS (SELECT FROM tradingdb.orders o
                  WHERE o.pseudo_account = s.pseudo_account
                    AND coalesce(o.organization_id, '') = ANY(free.organizations)
                    AND o.source = 'EXTERNAL' AND o.announced_at IS NULL) AS "has_unannounced!",
          s.ledger_version, s.ledger_rebuild_at, s.ledger_whole_at, s.prices_at,
          coalesce(pg_snapshot_xmax(s.ledger_snapshot) <= pg_snapshot_xmax(pg_current_snapshot()), false)
              AS "is_of_this_server!",
          pg_current_snapshot()::text AS "snapshot!",
          s.cached_sequence, s.cached_rows,
          (SELECT count(*) || ' ' || coalesce(sum(version), 0) FROM tradingdb.row_versions v
           WHERE v.pseudo_account = s.pseudo_account AND v.organization_id = ANY(free.organizations)) AS "rows_now!"
