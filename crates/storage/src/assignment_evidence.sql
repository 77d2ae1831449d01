-- What speaks for strategies in each of the instruments ($3), of the account ($1, $2; $4), and which are active at all (a
-- row without instrument). `default` and the empty name are no strategies.
SELECT DISTINCT n.name AS instrument_key, f.strategy_id AS "strategy_id!", 'holding' AS "kind!"
FROM tradingdb.ledger_names n
JOIN tradingdb.ledger_families f ON f.id = n.family_id
WHERE n.pseudo_account = $1 AND n.organization_id = $4 AND n.strategy_id NOT IN ('', 'default') AND n.kind = 'key'
  AND n.name = ANY($3::text[]) AND f.is_live
  AND (EXISTS (SELECT FROM jsonb_array_elements(f.positions) p
               WHERE p ->> 'instrument_key' = n.name AND (p ->> 'net_quantity')::numeric <> 0)
       OR EXISTS (SELECT FROM jsonb_array_elements(f.holdings) h WHERE (h ->> 'quantity')::numeric <> 0))
UNION ALL
SELECT DISTINCT tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol), o.strategy_id, 'recent'
FROM tradingdb.orders o
WHERE o.pseudo_account = $1 AND coalesce(o.organization_id, '') = ANY($2::text[])
  AND tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol) = ANY($3::text[])
  AND o.strategy_id NOT IN ('', 'default')
  -- A guess is no evidence for the next one.
  AND o.strategy_method IS NULL
  AND coalesce(o.exchange_time, o.platform_time, o."timestamp") > now() - interval '30 days'
UNION ALL
SELECT NULL, s.strategy_id, 'active'
FROM tradingdb.strategies s
WHERE s.pseudo_account = $1 AND coalesce(s.organization_id, '') = ANY($2::text[])
  AND upper(s.status) = 'ACTIVE' AND s.strategy_id NOT IN ('', 'default')
ORDER BY 3, 2
