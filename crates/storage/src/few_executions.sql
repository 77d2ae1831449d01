-- So many ($3) executions of an account ($1, $2), in no order: where there are more, not all of them are looked at.
SELECT order_id AS "order_id!", instrument_key AS "instrument_key!", exchange AS "exchange!", symbol AS "symbol!", isin,
       trade_type, product AS "product!", strategy_id, trade_id, exchange_order_id, at AS "at!",
       quantity AS "quantity!", price, short_by, state_at, is_first AS "is_first!"
FROM tradingdb.executions
WHERE pseudo_account = $1 AND organization_id = ANY($2)
LIMIT $3
