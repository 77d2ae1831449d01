-- What executions of some instruments ($3; NULL: all) of an account ($1, $2) say: which ISINs their rows have until an instant
-- ($4), and when the next one after it comes to exist.
SELECT coalesce(strategy_id, '') AS "strategy_id!", instrument_key AS "instrument_key!", isin, trade_type,
       max(at) FILTER (WHERE at <= $4 AND quantity > 0) AS last_at, min(at) FILTER (WHERE at > $4) AS next_at
FROM (
    -- Two branches, of which one is never run: with an OR a generic plan would read the whole account each time.
    SELECT * FROM tradingdb.executions WHERE $3::text[] IS NULL
    UNION ALL
    SELECT * FROM tradingdb.executions WHERE instrument_key = ANY($3)
) e
WHERE pseudo_account = $1 AND organization_id = ANY($2)
GROUP BY 1, 2, 3, 4
