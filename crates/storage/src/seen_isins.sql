SELECT coalesce(strategy_id, '') AS "strategy_id!", instrument_key AS "instrument_key!", isin, trade_type,
       max(at) AS "last_at!"
FROM (
    -- Two branches, of which one is never run: with an OR a generic plan would read the whole account each time.
    SELECT * FROM tradingdb.executions WHERE $3::text[] IS NULL
    UNION ALL
    SELECT * FROM tradingdb.executions WHERE instrument_key = ANY($3)
) e
WHERE pseudo_account = $1 AND organization_id = ANY($2)
  AND at <= $4 AND quantity > 0
GROUP BY 1, 2, 3, 4
