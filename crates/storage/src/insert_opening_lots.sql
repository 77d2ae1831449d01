-- The nth of n equal lots is new when the account has fewer than n like it. Numbers and instants are compared by value,
-- an unknown ISIN is like an unknown ISIN.
WITH given AS (
    SELECT x.*, e.ord,
           row_number() OVER (
               PARTITION BY x.organization_id, x.pseudo_account, x.instrument_key, x.isin, x.exchange, x.symbol,
                            x.product, x.quantity, x.price, x.opened_at
               ORDER BY e.ord) AS nth
    FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS e (value, ord)
    CROSS JOIN LATERAL jsonb_to_record(e.value) AS x (
        organization_id text, pseudo_account text, instrument_key text, isin text, exchange text, symbol text,
        product text, quantity numeric, price numeric, opened_at timestamptz)
),
known AS (
    SELECT organization_id, pseudo_account, instrument_key, isin, exchange, symbol, product, quantity, price, opened_at,
           count(*) AS copies
    FROM tradingdb.opening_lots
    WHERE (pseudo_account, organization_id) IN (SELECT pseudo_account, organization_id FROM given)
    GROUP BY organization_id, pseudo_account, instrument_key, isin, exchange, symbol, product, quantity, price, opened_at
)
INSERT INTO tradingdb.opening_lots
    (organization_id, pseudo_account, instrument_key, isin, exchange, symbol, product, quantity, price, opened_at)
SELECT g.organization_id, g.pseudo_account, g.instrument_key, g.isin, g.exchange, g.symbol, g.product, g.quantity,
       g.price, g.opened_at
FROM given g
LEFT JOIN known k
    ON (k.organization_id, k.pseudo_account, k.instrument_key, coalesce(k.isin, ''), k.exchange, k.symbol, k.product,
        k.quantity, k.price, k.opened_at)
     = (g.organization_id, g.pseudo_account, g.instrument_key, coalesce(g.isin, ''), g.exchange, g.symbol, g.product,
        g.quantity, g.price, g.opened_at)
WHERE g.nth > coalesce(k.copies, 0)
ORDER BY g.ord
