-- One row per input name, in its order, with an order id reserved: the instrument the account's own orders, or
-- else the instruments table, know by this exchange and symbol.
SELECT nextval(pg_get_serial_sequence('tradingdb.orders', 'id'))::integer AS "id!",
       coalesce(own.instrument_key, listed.instrument_key) AS "instrument_key?",
       coalesce(own.isin, listed.isin) AS "isin?"
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS input (name, ord)
LEFT JOIN LATERAL (
    SELECT o.instrument_key::text, o.isin FROM tradingdb.orders o
    WHERE o.pseudo_account = $2 AND coalesce(o.organization_id, '') = ANY($3::text[])
      AND o.exchange = input.name ->> 'exchange' AND o.symbol = input.name ->> 'symbol'
      AND o.instrument_key IS NOT NULL
    ORDER BY o.id DESC LIMIT 1
) own ON true
LEFT JOIN LATERAL (
    SELECT i.instrument_key, i.isin FROM tradingdb.instruments i
    WHERE i.exchange = input.name ->> 'exchange' AND i.symbol = input.name ->> 'symbol'
    ORDER BY i.instrument_key LIMIT 1
) listed ON true
ORDER BY input.ord
