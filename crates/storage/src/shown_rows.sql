-- An account's positions, holdings, and the latest margins of each category, as Redis readers know them; by id, margins by
-- category.
SELECT 'position' AS "kind!", p.id::bigint AS "id!", p.instrument_key, p.type AS product, p.strategy_id,
       p.net_quantity::bigint AS quantity, NULL::text AS category, to_jsonb(p)::text AS "json!"
FROM tradingdb.positions p
WHERE p.pseudo_account = $1 AND coalesce(p.organization_id, '') = ANY($2)
UNION ALL
SELECT 'holding', h.id, h.instrument_key, h.product, h.strategy_id, h.quantity, NULL, to_jsonb(h)::text
FROM tradingdb.holdings h
WHERE h.pseudo_account = $1 AND coalesce(h.organization_id, '') = ANY($2)
UNION ALL
(SELECT DISTINCT ON (m.category) 'margin', m.id, NULL, NULL, NULL, NULL, m.category, to_jsonb(m)::text
 FROM tradingdb.margins m
 WHERE m.pseudo_account = $1 AND coalesce(m.organization_id, '') = ANY($2)
 ORDER BY m.category, m.margin_date DESC NULLS LAST, m.id DESC)
ORDER BY 7, 2
