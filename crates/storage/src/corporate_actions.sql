-- All actions that concern these ISINs or, by a chain of actions, any that they become or come from.
WITH RECURSIVE concerned AS (
    SELECT isin FROM unnest($1::text[]) AS given (isin)
    UNION
    SELECT next.isin
    FROM concerned c
    JOIN tradingdb.corporate_actions a ON a.isin = c.isin OR a.new_isin = c.isin
    CROSS JOIN LATERAL (VALUES (a.isin), (a.new_isin)) AS next (isin)
    WHERE next.isin IS NOT NULL AND next.isin <> ''
)
SELECT isin, kind, ex_date, factor, new_isin, cost_fraction
FROM tradingdb.corporate_actions
WHERE isin IN (SELECT isin FROM concerned)
ORDER BY ex_date, isin, kind
