SELECT (SELECT count(*) FROM tradingdb.positions
        WHERE pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2)) AS "positions!",
       (SELECT count(*) FROM tradingdb.holdings
        WHERE pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2)) AS "holdings!",
       coalesce((SELECT jsonb_agg(finding) FROM (
           SELECT finding FROM (
               SELECT id, findings FROM tradingdb.ledger_families
               WHERE pseudo_account = $1 AND organization_id = $3 AND strategy_id = '' AND findings <> '[]'
               ORDER BY id LIMIT $4) families, jsonb_array_elements(findings) AS finding
           LIMIT $4) told), '[]') AS "discrepancies!"
