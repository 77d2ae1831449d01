-- The larger filled quantity wins; when equal the later by time, and an order that has ended does not live again.
-- What an import does not say stays.
UPDATE tradingdb.orders o
SET status = coalesce(x.status, o.status),
    quantity = greatest(x.quantity, o.quantity),
    filled_quantity = x.filled_quantity,
    pending_quantity = coalesce(x.pending_quantity, o.pending_quantity),
    average_price = coalesce(x.average_price, o.average_price),
    price = coalesce(x.price, o.price),
    trigger_price = coalesce(x.trigger_price, o.trigger_price),
    status_message = coalesce(x.status_message, o.status_message),
    exchange_time = coalesce(x.exchange_time, o.exchange_time),
    platform_time = coalesce(x.platform_time, o.platform_time),
    modified_time = coalesce(x.modified_time, o.modified_time),
    instrument_key = coalesce(o.instrument_key, x.instrument_key),
    isin = coalesce(o.isin, x.isin),
    strategy_id = coalesce(x.strategy_id, o.strategy_id)
FROM jsonb_to_recordset($1::jsonb) AS x (
    id integer, status text, quantity integer, filled_quantity integer, pending_quantity integer,
    average_price numeric, price numeric, trigger_price numeric, status_message text,
    exchange_time timestamptz, platform_time timestamptz, modified_time timestamptz,
    instrument_key text, isin text, strategy_id text)
WHERE o.id = x.id
  AND (x.filled_quantity > coalesce(o.filled_quantity, 0)
       OR (x.filled_quantity = coalesce(o.filled_quantity, 0)
           AND x.exchange_time >= coalesce(o.exchange_time, x.exchange_time)
           AND (coalesce(o.status, '') NOT IN ('COMPLETE', 'CANCELLED', 'REJECTED')
                OR x.status IN ('COMPLETE', 'CANCELLED', 'REJECTED'))))
  AND (o.status, o.quantity, o.filled_quantity, o.pending_quantity, o.average_price, o.price, o.trigger_price,
       o.status_message, o.exchange_time, o.platform_time, o.modified_time, o.instrument_key, o.isin, o.strategy_id)
      IS DISTINCT FROM
      (coalesce(x.status, o.status), greatest(x.quantity, o.quantity), x.filled_quantity,
       coalesce(x.pending_quantity, o.pending_quantity), coalesce(x.average_price, o.average_price),
       coalesce(x.price, o.price), coalesce(x.trigger_price, o.trigger_price),
       coalesce(x.status_message, o.status_message), coalesce(x.exchange_time, o.exchange_time),
       coalesce(x.platform_time, o.platform_time), coalesce(x.modified_time, o.modified_time),
       coalesce(o.instrument_key, x.instrument_key), coalesce(o.isin, x.isin),
       coalesce(x.strategy_id, o.strategy_id))
