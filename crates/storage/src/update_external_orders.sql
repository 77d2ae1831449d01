-- The plan has already decided that each of these is a step forward; a price is never replaced by none.
UPDATE tradingdb.orders o
SET status = x.status,
    quantity = x.quantity,
    filled_quantity = x.filled_quantity,
    pending_quantity = coalesce(x.pending_quantity, o.pending_quantity),
    average_price = coalesce(x.average_price, o.average_price),
    price = coalesce(x.price, o.price),
    trigger_price = coalesce(x.trigger_price, o.trigger_price),
    status_message = coalesce(x.status_message, o.status_message),
    exchange_time = coalesce(x.exchange_time, o.exchange_time),
    platform_time = coalesce(o.platform_time, x.platform_time),
    -- An order placed in the evening belongs to the day on which the exchange took it, as an import would say it.
    order_day = CASE WHEN o.order_day IS NOT NULL
        THEN coalesce((x.exchange_time AT TIME ZONE 'Asia/Kolkata')::date, o.order_day) END,
    broker_order_id = coalesce(o.broker_order_id, x.broker_order_id),
    exchange_order_id = coalesce(o.exchange_order_id, x.exchange_order_id),
    broker_parent_id = coalesce(o.broker_parent_id, x.broker_parent_id),
    modified_time = now(),
    raw = x.raw
FROM jsonb_to_recordset($1::jsonb) AS x (
    id integer, status text, quantity integer, filled_quantity integer, pending_quantity integer,
    average_price numeric, price numeric, trigger_price numeric, status_message text,
    exchange_time timestamptz, platform_time timestamptz, broker_order_id text, exchange_order_id text,
    broker_parent_id text, raw jsonb)
WHERE o.id = x.id
  -- Whoever placed the order may have moved it on since the plan was made.
  AND coalesce(o.filled_quantity, 0) <= x.filled_quantity
  AND NOT (upper(o.status) IN ('COMPLETE', 'CANCELLED', 'REJECTED')
           AND x.status NOT IN ('COMPLETE', 'CANCELLED', 'REJECTED'))
