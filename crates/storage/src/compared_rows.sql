-- Positions (by symbol and product) and holdings of the account ($1, $2), as far as they are compared with the
-- brokerage's.
SELECT false AS "is_holding!", coalesce(p.instrument_key, '') AS "instrument_key!", coalesce(p.exchange, '') AS "exchange!",
       coalesce(p.symbol, '') AS "symbol!", i.isin AS "isin?", coalesce(p.type, '') AS "product!",
       coalesce(p.net_quantity, 0) AS "quantity!"
FROM tradingdb.positions p LEFT JOIN tradingdb.instruments i ON i.instrument_key = p.instrument_key
WHERE p.pseudo_account = $1 AND coalesce(p.organization_id, '') = ANY($2::text[])
UNION ALL
SELECT true, coalesce(h.instrument_key, ''), coalesce(h.exchange, ''), coalesce(h.symbol, ''), coalesce(h.isin, i.isin),
       coalesce(h.product, ''), coalesce(h.quantity, 0)
FROM tradingdb.holdings h LEFT JOIN tradingdb.instruments i ON i.instrument_key = h.instrument_key
WHERE h.pseudo_account = $1 AND coalesce(h.organization_id, '') = ANY($2::text[])
