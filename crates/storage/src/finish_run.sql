WITH released AS (
    UPDATE tradingdb.account_sync_state
    SET last_started_at = lease_started_at, last_sync_at = now(), last_sync_id = $4, last_status = $5,
        last_forced = $10, last_checked_external = $11,
        lease_job = NULL, lease_worker = NULL, lease_started_at = NULL, lease_expires_at = NULL
    WHERE organization_id = $1 AND pseudo_account = $2 AND fence = $3 AND lease_job = $4
    RETURNING last_started_at
),
announced AS (
    UPDATE tradingdb.orders SET announced_at = now()
    WHERE id = ANY($12::int[]) AND EXISTS (SELECT FROM released)
)
INSERT INTO tradingdb.sync_outcomes AS o
    (sync_id, organization_id, pseudo_account, status, reason, worker, retries, started_at, report)
SELECT $4, $1, $2, $5, $6, $7, $8, released.last_started_at, $9 FROM released
ON CONFLICT (sync_id, organization_id, pseudo_account) DO UPDATE SET status = o.status
RETURNING sync_id
