SELECT coalesce(strategy_id, '') AS "strategy_id!", instrument_key AS "instrument_key!", isin, trade_type,
       max(at) AS "last_at!"
FROM tradingdb.executions
WHERE pseudo_account = $1 AND organization_id = ANY($2)
  AND ($3::text[] IS NULL OR instrument_key = ANY($3)) AND at <= $4 AND quantity > 0
GROUP BY 1, 2, 3, 4
