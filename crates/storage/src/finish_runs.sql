-- The ends of runs whose accounts are still their own, by the `number` of those that ask; no row for any other, nor where
-- somebody is about to write the account's row: nobody waits for the others. Orders are no part of it: to write none of them
-- costs as much as all the rest, since their indexes are opened and their triggers run all the same.
WITH asking AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::text[],
                $10::boolean[], $11::boolean[], $12::text[])
        WITH ORDINALITY AS a (organization_id, pseudo_account, fence, job_id, status, reason, worker, retries, report,
                              forced, checked, cached_rows, number)
),
held AS (
    SELECT a.*, s.place
    FROM asking a, LATERAL (
        SELECT ctid AS place FROM tradingdb.account_sync_state
        WHERE organization_id = a.organization_id AND pseudo_account = a.pseudo_account
          AND fence = a.fence AND lease_job = a.job_id
        FOR UPDATE SKIP LOCKED
    ) s
),
released AS (
    UPDATE tradingdb.account_sync_state s
    SET last_started_at = lease_started_at, last_sync_at = now(), last_sync_id = held.job_id, last_status = held.status,
        last_success_at = CASE WHEN held.status IN ('success', 'partial_success') THEN now() ELSE last_success_at END,
        last_forced = held.forced, last_checked_external = held.checked,
        cached_sequence = CASE WHEN held.cached_rows IS NOT NULL THEN s.fence END, cached_rows = held.cached_rows,
        lease_job = NULL, lease_worker = NULL, lease_started_at = NULL, lease_expires_at = NULL
    FROM held
    WHERE s.ctid = held.place
    RETURNING held.*, s.last_started_at
),
written AS (
    INSERT INTO tradingdb.sync_outcomes AS o
        (sync_id, organization_id, pseudo_account, status, reason, worker, retries, started_at, report)
    SELECT job_id, organization_id, pseudo_account, status, reason, worker, retries, last_started_at, report::jsonb
    FROM released
    -- A job that failed may be replayed; what is done stands.
    ON CONFLICT (sync_id, organization_id, pseudo_account) DO UPDATE
        SET status = excluded.status, reason = excluded.reason, superseded_by = NULL, worker = excluded.worker,
            retries = excluded.retries, started_at = excluded.started_at, finished_at = excluded.finished_at,
            report = excluded.report
        WHERE o.status IN ('failed', 'expired')
),
-- Redis has them now ($13: whose, $14: which). Each found by itself and within its account, as below: the plan for several,
-- where there are few in all, is to read all accounts'.
taken_in AS (
    DELETE FROM tradingdb.order_changes
    WHERE ctid = ANY (ARRAY(
        SELECT c.place
        FROM unnest($13::bigint[], $14::bigint[]) AS of (number, id), released r,
             LATERAL (
                 SELECT ctid AS place FROM tradingdb.order_changes
                 WHERE id = of.id AND pseudo_account = r.pseudo_account LIMIT 1) c
        WHERE of.number = r.number))
),
-- What they waited for is over.
forgotten AS (
    DELETE FROM tradingdb.waiting_jobs
    WHERE ctid = ANY (ARRAY(
        SELECT w.place
        FROM released r, LATERAL (
            SELECT ctid AS place FROM tradingdb.waiting_jobs
            WHERE job_id = r.job_id AND organization_id = r.organization_id AND pseudo_account = r.pseudo_account
            LIMIT 1
        ) w))
)
SELECT number AS "number!" FROM released
