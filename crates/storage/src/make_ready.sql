-- What must be there before rows are stored: their symbols ($1 keys, $2 codes), to which they may refer by a foreign key. And
-- where the ISIN of a holding is known now ($3 to $5: the account and the book's holdings), its row goes on as the same one, with
-- what only it knows.
WITH adopted AS (
    UPDATE tradingdb.holdings t
    SET isin = x.isin
    FROM jsonb_to_recordset($5::jsonb) AS x (isin text, instrument_key text, product text)
    WHERE t.pseudo_account = $3 AND coalesce(t.organization_id, '') = ANY($4::text[])
      AND t.isin IS NULL AND x.isin IS NOT NULL
      AND t.instrument_key = x.instrument_key AND t.product IS NOT DISTINCT FROM x.product
      AND NOT EXISTS (
          SELECT FROM tradingdb.holdings twin
          WHERE twin.pseudo_account = $3 AND coalesce(twin.organization_id, '') = ANY($4::text[])
            AND twin.isin = x.isin AND twin.instrument_key = x.instrument_key AND twin.product IS NOT DISTINCT FROM x.product)
)
INSERT INTO tradingdb.symbols (instrument_key, stock_code)
SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT DO NOTHING
