-- New executions are added, a known one is replaced; then each order's totals follow its executions.
WITH input AS (
    SELECT DISTINCT ON (x.order_id, x.trade_id) x.*
    FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS e (value, ord)
    CROSS JOIN LATERAL jsonb_to_record(e.value) AS x (
        order_id integer, trade_id text, quantity numeric, price numeric, at timestamptz)
    ORDER BY x.order_id, x.trade_id, e.ord DESC
),
written AS (
    INSERT INTO tradingdb.fills AS f (order_id, trade_id, quantity, price, at)
    SELECT order_id, trade_id, quantity, price, at FROM input
    ON CONFLICT (order_id, trade_id) DO UPDATE
        SET quantity = excluded.quantity, price = excluded.price, at = excluded.at
        WHERE (f.quantity, f.price, f.at) IS DISTINCT FROM (excluded.quantity, excluded.price, excluded.at)
    RETURNING f.order_id, f.trade_id, f.quantity, f.price, f.at, (xmax = 0) AS is_new
),
totals AS (
    SELECT all_fills.order_id, sum(all_fills.quantity) AS filled,
           sum(all_fills.quantity * all_fills.price) / sum(all_fills.quantity) AS average, max(all_fills.at) AS at
    FROM (
        SELECT order_id, trade_id, quantity, price, at FROM written
        UNION ALL
        SELECT f.order_id, f.trade_id, f.quantity, f.price, f.at
        FROM tradingdb.fills f
        WHERE f.order_id IN (SELECT order_id FROM input)
          AND NOT EXISTS (SELECT FROM written w WHERE w.order_id = f.order_id AND w.trade_id = f.trade_id)
    ) all_fills
    GROUP BY all_fills.order_id
),
summed AS (
    UPDATE tradingdb.orders o
    SET filled_quantity = greatest(totals.filled, o.filled_quantity)::integer,
        quantity = greatest(totals.filled, o.quantity)::integer,
        average_price = round(totals.average, 10),
        exchange_time = greatest(totals.at, o.exchange_time)
    FROM totals
    WHERE o.id = totals.order_id
      AND (o.filled_quantity, o.quantity, o.average_price, o.exchange_time) IS DISTINCT FROM
          (greatest(totals.filled, o.filled_quantity)::integer, greatest(totals.filled, o.quantity)::integer,
           round(totals.average, 10), greatest(totals.at, o.exchange_time))
)
SELECT count(*) FILTER (WHERE is_new) AS "new_fills!" FROM written
