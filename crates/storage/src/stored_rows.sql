-- How many rows an account ($1, $2; $3) has, and how much in its families does not add up: the number of findings, and so many
-- ($4) of them, in lists that belong one after the other. Where there are more, those of families with few come first and of
-- these those that traded last, and of one family some of each kind: a thousand of one sort must not hide what is new.
WITH found AS (
    SELECT id, last_day, findings, jsonb_array_length(findings) AS count
    FROM tradingdb.ledger_families
    WHERE pseudo_account = $1 AND organization_id = $3 AND strategy_id = '' AND findings <> '[]'
),
ranked AS (
    SELECT id, findings, sum(count) OVER (ORDER BY count, last_day DESC NULLS LAST, id) - count AS before FROM found
)
SELECT (SELECT count(*) FROM tradingdb.positions
        WHERE pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2)) AS "positions!",
       (SELECT count(*) FROM tradingdb.holdings
        WHERE pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2)) AS "holdings!",
       (SELECT coalesce(sum(count), 0) FROM found) AS "findings!",
       ARRAY(SELECT told.list::text
             FROM ranked, LATERAL (
                 SELECT jsonb_agg(finding ORDER BY number) AS list
                 FROM (
                     SELECT finding, number
                     FROM jsonb_array_elements(findings) WITH ORDINALITY AS a (finding, number)
                     ORDER BY row_number() OVER (PARTITION BY finding ->> 'kind' ORDER BY number), number
                     LIMIT $4::bigint - ranked.before
                 ) firsts
             ) told
             WHERE before < $4::bigint ORDER BY id) AS "told!"
