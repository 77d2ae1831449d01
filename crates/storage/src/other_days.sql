SELECT d.strategy_id, d.view_day, d.day_before,
       (SELECT max(f.last_day) FROM tradingdb.ledger_families f
        WHERE f.pseudo_account = $1 AND f.organization_id = $2 AND f.strategy_id = d.strategy_id
          AND f.id <> ALL($3)) AS last_day,
       -- They decide the view's day and the one before it. Markets are never closed for forty days, so the latest forty do, and
       -- those of families that traded on none in the eighty days before the look ($4 is the first) do not.
       ARRAY(SELECT DISTINCT day
             FROM tradingdb.ledger_families f, unnest(f.odd_days[cardinality(f.odd_days) - 39:]) AS day
             WHERE f.pseudo_account = $1 AND f.organization_id = $2 AND f.strategy_id = d.strategy_id
               AND f.id <> ALL($3) AND f.odd_days <> '{}' AND f.odd_days[cardinality(f.odd_days)] >= $4::date) AS "odd_days!"
FROM tradingdb.ledger_days d
WHERE d.pseudo_account = $1 AND d.organization_id = $2
