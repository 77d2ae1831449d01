-- The end of a run, if the account is still its own: no row otherwise. Orders are no part of it: to write none of them costs
-- as much as all the rest, since their indexes are opened and their triggers run all the same.
WITH released AS (
    UPDATE tradingdb.account_sync_state
    SET last_started_at = lease_started_at, last_sync_at = now(), last_sync_id = $4, last_status = $5,
        last_success_at = CASE WHEN $5 IN ('success', 'partial_success') THEN now() ELSE last_success_at END,
        last_forced = $10, last_checked_external = $11,
        cached_sequence = CASE WHEN $12::text IS NOT NULL THEN fence END, cached_rows = $12,
        lease_job = NULL, lease_worker = NULL, lease_started_at = NULL, lease_expires_at = NULL
    WHERE organization_id = $1 AND pseudo_account = $2 AND fence = $3 AND lease_job = $4
    RETURNING last_started_at
),
written AS (
    INSERT INTO tradingdb.sync_outcomes AS o
        (sync_id, organization_id, pseudo_account, status, reason, worker, retries, started_at, report)
    SELECT $4, $1, $2, $5, $6, $7, $8, released.last_started_at, $9 FROM released
    -- A job that failed may be replayed; what is done stands.
    ON CONFLICT (sync_id, organization_id, pseudo_account) DO UPDATE
        SET status = excluded.status, reason = excluded.reason, superseded_by = NULL, worker = excluded.worker,
            retries = excluded.retries, started_at = excluded.started_at, finished_at = excluded.finished_at,
            report = excluded.report
        WHERE o.status IN ('failed', 'expired')
),
-- Redis has them now.
taken_in AS (
    DELETE FROM tradingdb.order_changes WHERE id = ANY($13::bigint[]) AND EXISTS (SELECT FROM released)
),
-- What it waited for is over.
forgotten AS (
    DELETE FROM tradingdb.waiting_jobs
    WHERE job_id = $4 AND organization_id = $1 AND pseudo_account = $2 AND EXISTS (SELECT FROM released)
)
SELECT true AS "released!" FROM released
