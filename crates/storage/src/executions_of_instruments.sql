SELECT order_id AS "order_id!", instrument_key AS "instrument_key!", exchange AS "exchange!", symbol AS "symbol!", isin,
       trade_type, product AS "product!", strategy_id, trade_id, exchange_order_id, at AS "at!",
       quantity AS "quantity!", price, short_by, state_at, is_first AS "is_first!"
FROM (
    -- Two branches, of which one is never run: with an OR a generic plan would read the whole account each time.
    SELECT * FROM tradingdb.executions WHERE $3::text[] IS NULL
    UNION ALL
    SELECT * FROM tradingdb.executions WHERE instrument_key = ANY($3)
) e
WHERE pseudo_account = $1 AND organization_id = ANY($2)
  AND at <= $4
ORDER BY at
