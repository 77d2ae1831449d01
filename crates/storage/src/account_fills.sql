-- Money of adopted tables is double precision: through text it becomes the shortest decimal that reads back the
-- same. NaN and infinities are no price.
SELECT o.id AS "id!",
       row_number() OVER (PARTITION BY o.id ORDER BY f.trade_id) = 1 AS "first_of_order!",
       o.exchange_order_id, o.broker_order_id, o.exchange, o.symbol, o.instrument_key, o.isin, o.trade_type,
       o.product_type, o.strategy_id,
       f.trade_id AS "trade_id?",
       coalesce(f.at, o.exchange_time, o.platform_time, o."timestamp") AS at,
       coalesce(f.quantity, o.filled_quantity::numeric) AS quantity,
       -- What the order says beyond its known executions, and since when.
       CASE WHEN f.order_id IS NOT NULL
            THEN o.filled_quantity::numeric - sum(f.quantity) OVER (PARTITION BY o.id) END AS short_by,
       coalesce(o.exchange_time, o.platform_time, o."timestamp") AS state_at,
       CASE WHEN f.order_id IS NOT NULL THEN round(f.price, 12)
            WHEN o.average_price BETWEEN -1e15 AND 1e15 THEN round(o.average_price::text::numeric, 12)
       END AS price
FROM tradingdb.orders o
LEFT JOIN tradingdb.fills f ON f.order_id = o.id
WHERE o.pseudo_account = $1 AND coalesce(o.organization_id, '') = ANY($2)
ORDER BY o.id, f.trade_id
