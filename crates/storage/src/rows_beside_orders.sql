-- All rows of an account ($1, $2; $3) beside its orders, as Redis readers know them, in one snapshot: positions, holdings, the
-- latest margins of each category, and those of its strategies' families (`json` has the positions, `holdings` the holdings).
-- By id, margins by category. One row more, "read", says when, and the versions of all but the families.
SELECT 'position' AS "kind!", p.id::bigint AS "id!", p.instrument_key, p.type AS product, p.strategy_id,
       p.net_quantity::bigint AS quantity, NULL::text AS category, row_to_json(p)::text AS "json!",
       NULL::text AS holdings, NULL::timestamptz AS at
FROM tradingdb.positions p
WHERE p.pseudo_account = $1 AND coalesce(p.organization_id, '') = ANY($2)
UNION ALL
SELECT 'holding', h.id, h.instrument_key, h.product, h.strategy_id, h.quantity, NULL, row_to_json(h)::text, NULL, NULL
FROM tradingdb.holdings h
WHERE h.pseudo_account = $1 AND coalesce(h.organization_id, '') = ANY($2)
UNION ALL
(SELECT DISTINCT ON (m.category) 'margin', m.id, NULL, NULL, NULL, NULL, m.category, row_to_json(m)::text, NULL, NULL
 FROM tradingdb.margins m
 WHERE m.pseudo_account = $1 AND coalesce(m.organization_id, '') = ANY($2)
 ORDER BY m.category, m.margin_date DESC NULLS LAST, m.id DESC)
UNION ALL
SELECT 'strategy', f.id, NULL, NULL, f.strategy_id, NULL, NULL, f.positions::text, f.holdings::text, NULL
FROM tradingdb.ledger_families f
WHERE f.pseudo_account = $1 AND f.organization_id = $3 AND f.is_live AND f.strategy_id <> ''
UNION ALL
SELECT 'read', 0, NULL, NULL, NULL, NULL, NULL,
       (SELECT count(*) || ' ' || coalesce(sum(version), 0) FROM tradingdb.row_versions
        WHERE pseudo_account = $1 AND organization_id = ANY($2)),
       NULL, clock_timestamp()
ORDER BY 7, 2
