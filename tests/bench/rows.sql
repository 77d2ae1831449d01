-- The orders :first to :last of :accounts accounts, the same for whoever loads them: 20 instruments an account, three buys
-- to two sells, three strategies. The first 100,000 of an account are of January 2025 on, one an hour; later ones are of now.
INSERT INTO tradingdb.orders (pseudo_account, organization_id, exchange, symbol, trade_type, order_type, product_type, quantity,
    filled_quantity, price, average_price, status, variety, "timestamp", instrument_key, strategy_id, platform, stock_broker)
SELECT 'acct-' || lpad(a::text, 6, '0'), 'org1', 'NSE', symbol, CASE WHEN (o * 7 + a) % 5 < 3 THEN 'BUY' ELSE 'SELL' END,
    'LIMIT', CASE WHEN o % 4 = 0 THEN 'NRML' ELSE 'CNC' END, quantity, quantity, price, price, 'COMPLETE', 'REGULAR',
    CASE WHEN o <= 100000 THEN timestamptz '2025-01-01 04:00+00' + o * interval '1 hour' ELSE now() END,
    'NSE@' || symbol || '@equities', 'strat-' || (o % 3), 'KITE', 'ZERODHA'
FROM (
    SELECT a, o, 'SYM' || chr(65 + s / 26) || chr(65 + s % 26) AS symbol, 1 + (o * 13 + a) % 50 AS quantity,
        100 + ((o * 37 + a * 11) % 1000) / 10.0 AS price
    FROM (
        SELECT a, o, (a * 17 + o % 20) % 200 AS s
        FROM generate_series(1, :accounts) AS a, generate_series(:first, :last) AS o
    ) AS numbers
) AS orders
