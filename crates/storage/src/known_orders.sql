-- Orders of the given IST days, and those that still live: each through an index of its own.
SELECT o.id, o.broker_order_id, o.exchange_order_id, o.exchange, o.symbol, o.trade_type, o.product_type, o.status,
       o.quantity, o.filled_quantity, o.publisher_id, o.source, o.strategy_id,
       coalesce(tradingdb.possible_time(o.platform_time), tradingdb.possible_time(o."timestamp")) AS placed_at,
       CASE WHEN o.average_price BETWEEN -1e15 AND 1e15 THEN round(o.average_price::text::numeric, 12)
       END AS average_price,
       CASE WHEN o.price BETWEEN -1e15 AND 1e15 THEN round(o.price::text::numeric, 12) END AS price,
       CASE WHEN o.trigger_price BETWEEN -1e15 AND 1e15 THEN round(o.trigger_price::text::numeric, 12)
       END AS trigger_price,
       coalesce(o.order_day,
                (coalesce(o.exchange_time, o.platform_time, o."timestamp") AT TIME ZONE 'Asia/Kolkata')::date)
           AS "day!",
       f.count AS "executions!", f.quantity AS "executed!", f.value AS "executed_value!"
FROM tradingdb.orders o
CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum(quantity), 0) AS quantity, coalesce(sum(quantity * price), 0) AS value
    FROM tradingdb.fills WHERE order_id = o.id AND quantity < 1e15 AND price BETWEEN -1e15 AND 1e15
) f
WHERE o.id IN (
    SELECT id FROM tradingdb.orders
    WHERE pseudo_account = $1
      AND coalesce(order_day, (coalesce(exchange_time, platform_time, "timestamp") AT TIME ZONE 'Asia/Kolkata')::date)
          = ANY($3::date[])
    UNION ALL
    SELECT id FROM tradingdb.orders
    WHERE pseudo_account = $1
      AND upper(replace(status, ' ', '_')) IN (
          'OPEN', 'TRIGGER_PENDING', 'PENDING', 'PUT_ORDER_REQ_RECEIVED', 'VALIDATION_PENDING', 'OPEN_PENDING',
          'MODIFY_VALIDATION_PENDING', 'MODIFY_PENDING', 'MODIFIED', 'CANCEL_PENDING', 'AMO_REQ_RECEIVED', 'NOT_MODIFIED',
          'NOT_CANCELLED'))
  AND coalesce(o.organization_id, '') = ANY($2)
  AND coalesce(o.order_day, (coalesce(o.exchange_time, o.platform_time, o."timestamp") AT TIME ZONE 'Asia/Kolkata')::date)
      BETWEEN '0001-01-01' AND '9999-12-31'
ORDER BY o.id
