-- Rows that vanished, and later twins of a row (the replaced system could leave some). Instruments whose rows the
-- ledger withholds ($4) keep their last good ones. With instruments given ($5) no other one's rows are looked at.
DELETE FROM tradingdb.positions t
WHERE t.pseudo_account = $1 AND coalesce(t.organization_id, '') = ANY($2::text[])
  AND (t.instrument_key = ANY($4::text[])) IS NOT TRUE
  AND ($5::text[] IS NULL OR t.instrument_key = ANY($5))
  AND (NOT EXISTS (
          SELECT FROM jsonb_to_recordset($3::jsonb) AS x (exchange text, instrument_key text, type text)
          WHERE t.exchange IS NOT DISTINCT FROM x.exchange AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.type IS NOT DISTINCT FROM x.type)
       OR EXISTS (
          SELECT FROM tradingdb.positions twin
          WHERE twin.pseudo_account = $1 AND coalesce(twin.organization_id, '') = ANY($2::text[])
            AND t.exchange IS NOT DISTINCT FROM twin.exchange AND t.instrument_key IS NOT DISTINCT FROM twin.instrument_key AND t.type IS NOT DISTINCT FROM twin.type AND twin.id < t.id))
