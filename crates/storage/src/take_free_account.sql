-- The lease of an account that nobody holds or held without giving it back, for a job of which nothing is known yet. Whatever
-- else there is to decide is not decided here: no row then. Nor where somebody is about to write the row: what he writes
-- elsewhere would not be seen.
WITH free AS (
    SELECT organization_id, pseudo_account FROM tradingdb.account_sync_state
    WHERE organization_id = $1 AND pseudo_account = $2 AND lease_job IS NULL AND last_sync_id IS DISTINCT FROM $3
      AND (last_started_at > $6 AND last_status = 'success' AND (last_forced OR NOT $7)
           AND (last_checked_external OR NOT $8)) IS NOT TRUE
    FOR UPDATE SKIP LOCKED
)
UPDATE tradingdb.account_sync_state s
SET fence = fence + 1, lease_job = $3, lease_worker = $4, lease_started_at = clock_timestamp(),
    lease_expires_at = clock_timestamp() + make_interval(secs => $5)
FROM free
WHERE s.organization_id = free.organization_id AND s.pseudo_account = free.pseudo_account
  AND NOT EXISTS (SELECT FROM tradingdb.sync_outcomes
                  WHERE sync_id = $3 AND organization_id = $1 AND pseudo_account = $2)
  AND NOT EXISTS (SELECT FROM tradingdb.job_crashes
                  WHERE job_id = $3 AND organization_id = $1 AND pseudo_account = $2)
RETURNING fence, lease_started_at AS "started_at!", last_generation_at
