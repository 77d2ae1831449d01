-- Executions as the brokerage's trade book has them. The totals of their orders are the order book's to say.
INSERT INTO tradingdb.fills AS f (order_id, trade_id, quantity, price, at)
SELECT x.order_id, x.trade_id, x.quantity, x.price, x.at
FROM jsonb_to_recordset($1::jsonb) AS x (
    order_id integer, trade_id text, quantity numeric, price numeric, at timestamptz)
ON CONFLICT (order_id, trade_id) DO UPDATE
    SET quantity = excluded.quantity, price = excluded.price, at = excluded.at
    WHERE (f.quantity, f.price, f.at) IS DISTINCT FROM (excluded.quantity, excluded.price, excluded.at)
