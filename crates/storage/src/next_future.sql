SELECT least(
    (SELECT min(at)
     FROM (
         -- Two branches, as in executions_of_instruments.
         SELECT * FROM tradingdb.executions WHERE $5::text[] IS NULL
         UNION ALL
         SELECT * FROM tradingdb.executions WHERE instrument_key = ANY($5)
     ) e
     WHERE pseudo_account = $1 AND organization_id = ANY($2) AND at > $3),
    (SELECT min(opened_at) FROM tradingdb.opening_lots
     WHERE pseudo_account = $1 AND organization_id = $4 AND opened_at > $3
       AND ($5::text[] IS NULL OR instrument_key = ANY($5))))
