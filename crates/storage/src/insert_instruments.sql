-- An order may have a foreign key to symbols, and the ledger reads ISIN and expiry from instruments. What is known
-- is never replaced by what is not.
WITH input AS (
    SELECT DISTINCT ON (x.instrument_key)
           x.instrument_key, x.exchange, x.symbol, x.isin, x.expiry, x.strike, x.option_type
    FROM jsonb_to_recordset($1::jsonb) AS x (
        instrument_key text, exchange text, symbol text, isin text, expiry date, strike numeric, option_type text)
    WHERE x.instrument_key IS NOT NULL
    ORDER BY x.instrument_key, x.isin NULLS LAST
),
symbols AS (
    INSERT INTO tradingdb.symbols (instrument_key, stock_code)
    SELECT instrument_key, symbol FROM input
    ON CONFLICT DO NOTHING
)
INSERT INTO tradingdb.instruments AS known
    (instrument_key, exchange, symbol, isin, expiry, strike, option_type)
SELECT instrument_key, exchange, symbol, isin, expiry, strike, option_type FROM input
ON CONFLICT (instrument_key) DO UPDATE
    SET isin = coalesce(known.isin, excluded.isin), expiry = coalesce(known.expiry, excluded.expiry)
    WHERE (known.isin IS NULL AND excluded.isin IS NOT NULL)
       OR (known.expiry IS NULL AND excluded.expiry IS NOT NULL)
