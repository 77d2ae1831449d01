WITH RECURSIVE scan AS (
    (SELECT o.pseudo_account, coalesce(o.organization_id, '') AS organization
     FROM tradingdb.orders o
     WHERE (o.pseudo_account, coalesce(o.organization_id, '')) > ($1::text, $2::text)
     ORDER BY o.pseudo_account, coalesce(o.organization_id, '')
     LIMIT 1)
    UNION ALL
    SELECT next.pseudo_account, next.organization
    FROM scan
    CROSS JOIN LATERAL (
        SELECT o.pseudo_account, coalesce(o.organization_id, '') AS organization
        FROM tradingdb.orders o
        WHERE (o.pseudo_account, coalesce(o.organization_id, '')) > (scan.pseudo_account, scan.organization)
        ORDER BY o.pseudo_account, coalesce(o.organization_id, '')
        LIMIT 1
    ) next
),
traded AS MATERIALIZED (SELECT * FROM scan LIMIT $3),
with_brokerage AS MATERIALIZED (
    SELECT b.pseudo_account, b.organization_id AS organization
    FROM tradingdb.brokerage_accounts b
    WHERE (b.pseudo_account, b.organization_id) > ($1::text, $2::text)
    ORDER BY b.pseudo_account, b.organization_id
    LIMIT $3
),
page AS MATERIALIZED (
    SELECT pseudo_account::text, organization::text FROM traded
    UNION
    SELECT pseudo_account, organization FROM with_brokerage
    ORDER BY 1, 2
    LIMIT $3
)
SELECT page.pseudo_account AS "pseudo_account!",
       page.organization AS "stored_organization!",
       coalesce(state.paused, false) AS "paused!",
       state.last_external_check_at,
       state.last_sync_at,
       greatest(state.last_success_at,
                CASE WHEN state.last_status IN ('success', 'partial_success') THEN state.last_sync_at END)
           AS last_success_at,
       state.due_since
FROM page
LEFT JOIN tradingdb.account_sync_state state
    ON state.pseudo_account = page.pseudo_account
    AND state.organization_id = CASE page.organization WHEN '' THEN $4 ELSE page.organization END
ORDER BY page.pseudo_account, page.organization
