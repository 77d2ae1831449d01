-- The ISIN of a row is known now: it goes on as the same row, with what only it knows.
UPDATE tradingdb.holdings t
SET isin = x.isin
FROM jsonb_to_recordset($3::jsonb) AS x (isin text, instrument_key text, product text)
WHERE t.pseudo_account = $1 AND coalesce(t.organization_id, '') = ANY($2::text[])
  AND t.isin IS NULL AND x.isin IS NOT NULL
  AND t.instrument_key = x.instrument_key AND t.product IS NOT DISTINCT FROM x.product
  AND NOT EXISTS (
      SELECT FROM tradingdb.holdings twin
      WHERE twin.pseudo_account = $1 AND coalesce(twin.organization_id, '') = ANY($2::text[])
        AND twin.isin = x.isin AND twin.instrument_key = x.instrument_key AND twin.product IS NOT DISTINCT FROM x.product)
