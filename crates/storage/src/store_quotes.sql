-- What a brokerage said ($1, at most one of each exchange and symbol) of instruments that the account ($2, $3; $4) has:
-- by the keys of its orders, opening lots and holdings. The keys of orders are found by a skip scan over their index. A
-- share whose symbol got another series goes by its ISIN on the same exchange.
WITH RECURSIVE keys AS (
    (SELECT tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol) AS instrument_key
     FROM tradingdb.orders o WHERE o.pseudo_account = $2 ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol)
            FROM tradingdb.orders o
            WHERE o.pseudo_account = $2
              AND tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol) > k.instrument_key
            ORDER BY 1 LIMIT 1)
    FROM keys k WHERE k.instrument_key IS NOT NULL
),
own AS (
    SELECT k.instrument_key, o.exchange, o.symbol, o.isin
    FROM keys k CROSS JOIN LATERAL (
        SELECT o.exchange::text, o.symbol::text, o.isin FROM tradingdb.orders o
        WHERE o.pseudo_account = $2 AND coalesce(o.organization_id, '') = ANY($3::text[])
          AND tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol) = k.instrument_key
        LIMIT 1) o
    UNION
    SELECT instrument_key, exchange, symbol, isin FROM tradingdb.opening_lots
    WHERE pseudo_account = $2 AND organization_id = $4
    UNION
    SELECT instrument_key, exchange, symbol, isin FROM tradingdb.holdings
    WHERE pseudo_account = $2 AND coalesce(organization_id, '') = ANY($3::text[]) AND instrument_key IS NOT NULL
),
names AS (
    SELECT instrument_key, exchange, symbol, isin FROM own
    UNION
    SELECT i.instrument_key, i.exchange, i.symbol, i.isin
    FROM tradingdb.instruments i WHERE i.instrument_key IN (SELECT instrument_key FROM own)
),
told AS (
    SELECT DISTINCT ON (n.instrument_key)
           n.instrument_key, n.exchange, n.symbol, x.isin, x.multiplier, x.last_price, x.close_price, x.instrument_token,
           x.collateral_qty, x.collateral_type
    FROM names n
    JOIN jsonb_to_recordset($1::jsonb) AS x (
        exchange text, symbol text, isin text, multiplier numeric, last_price numeric, close_price numeric,
        instrument_token bigint, collateral_qty integer, collateral_type text)
      ON x.exchange = n.exchange AND (x.symbol = n.symbol OR x.isin = n.isin)
    ORDER BY n.instrument_key, (x.symbol = n.symbol) DESC NULLS LAST, x.symbol
),
-- Many accounts share these rows: one of which nothing new is said is not even locked.
instruments AS (
    INSERT INTO tradingdb.instruments AS known (instrument_key, exchange, symbol, isin, multiplier)
    SELECT t.instrument_key, t.exchange, t.symbol, t.isin, t.multiplier
    FROM told t LEFT JOIN tradingdb.instruments i USING (instrument_key)
    WHERE i.instrument_key IS NULL OR (i.isin IS NULL AND t.isin IS NOT NULL)
       OR (i.multiplier IS NULL AND t.multiplier IS NOT NULL)
    ORDER BY t.instrument_key
    ON CONFLICT (instrument_key) DO UPDATE
        SET isin = coalesce(known.isin, excluded.isin), multiplier = coalesce(known.multiplier, excluded.multiplier)
),
stored AS (
    INSERT INTO tradingdb.account_instruments AS known
        (organization_id, pseudo_account, instrument_key, last_price, close_price, instrument_token, collateral_qty,
         collateral_type, told_at)
    SELECT $4, $2, instrument_key, last_price, close_price, instrument_token, collateral_qty, collateral_type, now()
    FROM told
    ON CONFLICT (pseudo_account, organization_id, instrument_key) DO UPDATE
        SET last_price = coalesce(excluded.last_price, known.last_price),
            close_price = coalesce(excluded.close_price, known.close_price),
            instrument_token = coalesce(excluded.instrument_token, known.instrument_token),
            collateral_qty = coalesce(excluded.collateral_qty, known.collateral_qty),
            collateral_type = coalesce(excluded.collateral_type, known.collateral_type),
            told_at = excluded.told_at
        WHERE (coalesce(excluded.last_price, known.last_price), coalesce(excluded.close_price, known.close_price),
               coalesce(excluded.instrument_token, known.instrument_token),
               coalesce(excluded.collateral_qty, known.collateral_qty),
               coalesce(excluded.collateral_type, known.collateral_type))
              IS DISTINCT FROM
              (known.last_price, known.close_price, known.instrument_token, known.collateral_qty, known.collateral_type)
    RETURNING instrument_key
),
noted AS (
    UPDATE tradingdb.account_sync_state SET prices_at = now()
    WHERE organization_id = $4 AND pseudo_account = $2 AND EXISTS (SELECT FROM stored)
)
SELECT count(*) AS "changed!" FROM stored
