-- Changes of an account's orders, fills and opening lots ($1, $2) that no generation has taken in. The clock comes along, and in
-- the first row the holidays: there is a row even where nothing changed.
SELECT clock_timestamp() AS "now!",
       CASE WHEN row_number() OVER (ORDER BY c.id) = 1
            THEN ARRAY(SELECT date FROM tradingdb.market_holidays WHERE exchange = 'NSE' ORDER BY date)
       END AS holidays,
       c.id AS "id?", c.order_id, c.instrument_key, c.strategy_id AS "strategy_id?", c.appeared AS "appeared?",
       c.counts AS "counts?", c.inserted AS "inserted?"
FROM (SELECT) one
LEFT JOIN tradingdb.order_changes c ON c.pseudo_account = $1 AND c.organization_id = ANY($2)
ORDER BY c.id
