SELECT order_id AS "order_id!", instrument_key AS "instrument_key!", exchange AS "exchange!", symbol AS "symbol!", isin,
       trade_type, product AS "product!", strategy_id, trade_id, exchange_order_id, at AS "at!",
       quantity AS "quantity!", price, short_by, state_at, is_first AS "is_first!"
FROM tradingdb.executions
WHERE pseudo_account = $1 AND organization_id = ANY($2) AND order_id = ANY($3)
ORDER BY at
