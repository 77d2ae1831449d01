-- The digests of an account's families, with the names that find them as `kind name`.
SELECT f.id, f.strategy_id, f.written AS "written!",
       ARRAY(SELECT n.kind || ' ' || n.name FROM tradingdb.ledger_names n
             WHERE n.family_id = f.id AND n.pseudo_account = $1 AND n.organization_id = $2 AND n.strategy_id = f.strategy_id)
           AS "names!"
FROM tradingdb.ledger_families f
WHERE f.pseudo_account = $1 AND f.organization_id = $2 AND f.written IS NOT NULL
