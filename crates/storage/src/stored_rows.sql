-- How many rows an account ($1, $2; $3) has, and the lists of what does not add up in its families: those of the first ($4).
SELECT (SELECT count(*) FROM tradingdb.positions
        WHERE pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2)) AS "positions!",
       (SELECT count(*) FROM tradingdb.holdings
        WHERE pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2)) AS "holdings!",
       ARRAY(SELECT findings::text FROM tradingdb.ledger_families
             WHERE pseudo_account = $1 AND organization_id = $3 AND strategy_id = '' AND findings <> '[]'
             ORDER BY id LIMIT $4) AS "findings!"
