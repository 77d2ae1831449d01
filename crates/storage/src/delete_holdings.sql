-- Rows that vanished, and later twins of a row (the replaced system could leave some). Instruments ($4) and ISINs ($5)
-- whose rows the ledger withholds keep their last good ones, under whatever key an ISIN's row was stored.
-- With instruments given ($6, $7) no other one's rows are looked at.
DELETE FROM tradingdb.holdings t
WHERE t.pseudo_account = $1 AND coalesce(t.organization_id, '') = ANY($2::text[])
  AND (t.instrument_key = ANY($4::text[])) IS NOT TRUE
  AND (t.isin = ANY($5::text[])) IS NOT TRUE
  AND ($6::text[] IS NULL OR t.instrument_key = ANY($6) OR t.isin = ANY($7::text[]))
  AND (NOT EXISTS (
          SELECT FROM jsonb_to_recordset($3::jsonb) AS x (isin text, instrument_key text, product text)
          WHERE t.isin IS NOT DISTINCT FROM x.isin AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.product IS NOT DISTINCT FROM x.product)
       OR EXISTS (
          SELECT FROM tradingdb.holdings twin
          WHERE twin.pseudo_account = $1 AND coalesce(twin.organization_id, '') = ANY($2::text[])
            AND t.isin IS NOT DISTINCT FROM twin.isin AND t.instrument_key IS NOT DISTINCT FROM twin.instrument_key AND t.product IS NOT DISTINCT FROM twin.product AND twin.id < t.id))
