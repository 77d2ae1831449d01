-- How many rows an account ($1, $2; $3) has, and how much in its families does not add up: the number of findings, and so many
-- ($4) of them, in lists that belong one after the other. Where there are more, those of families with few come first: one
-- family with a thousand must not hide what is new in another.
WITH found AS (
    SELECT id, findings, jsonb_array_length(findings) AS count
    FROM tradingdb.ledger_families
    WHERE pseudo_account = $1 AND organization_id = $3 AND strategy_id = '' AND findings <> '[]'
),
ranked AS (
    SELECT id, findings, sum(count) OVER (ORDER BY count, id) - count AS before FROM found
)
SELECT (SELECT count(*) FROM tradingdb.positions
        WHERE pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2)) AS "positions!",
       (SELECT count(*) FROM tradingdb.holdings
        WHERE pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2)) AS "holdings!",
       (SELECT coalesce(sum(count), 0) FROM found) AS "findings!",
       ARRAY(SELECT jsonb_path_query_array(findings, '$[0 to $n]', jsonb_build_object('n', $4::bigint - before - 1))::text
             FROM ranked WHERE before < $4::bigint ORDER BY id) AS "told!"
