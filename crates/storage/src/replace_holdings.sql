-- The account's ($1, $2; $4) holdings become those of the book ($3): rows that are there are brought up to date, others added.
-- Rows that vanished go, and later twins of a row (the replaced system could leave some). Instruments ($5) and ISINs ($6)
-- whose rows the ledger withholds keep their last good ones, under whatever key an ISIN's row was stored. With instruments
-- given ($7, $8) no other one's rows vanish.
WITH x AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($3::jsonb) AS x (
    isin text, exchange text, instrument_key text, product text, symbol text, quantity integer, totalqty
    integer, t1_qty integer, avg_price numeric, ltp numeric, currentvalue numeric, pnl numeric,
    strategy_id text)
),
gone AS (
    DELETE FROM tradingdb.holdings t
    WHERE t.pseudo_account = $1 AND coalesce(t.organization_id, '') = ANY($2::text[])
      AND (t.instrument_key = ANY($5::text[])) IS NOT TRUE
      AND (t.isin = ANY($6::text[])) IS NOT TRUE
      AND ($7::text[] IS NULL OR t.instrument_key = ANY($7) OR t.isin = ANY($8::text[]))
      AND (NOT EXISTS (
              SELECT FROM x
              WHERE t.isin IS NOT DISTINCT FROM x.isin AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.product IS NOT DISTINCT FROM x.product)
           OR EXISTS (
              SELECT FROM tradingdb.holdings twin
              WHERE twin.pseudo_account = $1 AND coalesce(twin.organization_id, '') = ANY($2::text[])
                AND t.isin IS NOT DISTINCT FROM twin.isin AND t.instrument_key IS NOT DISTINCT FROM twin.instrument_key AND t.product IS NOT DISTINCT FROM twin.product AND twin.id < t.id))
    RETURNING id
),
-- What neither the book nor the account's orders nor its brokerage know (NULL) stays as it was; a row that says the same already is left alone.
changed AS (
    UPDATE tradingdb.holdings t
    SET organization_id = $4::text,
        exchange = x.exchange,
        symbol = x.symbol,
        quantity = x.quantity,
        totalqty = x.totalqty,
        t1_qty = x.t1_qty,
        avg_price = x.avg_price,
        ltp = coalesce(x.ltp, t.ltp),
        currentvalue = coalesce(x.currentvalue, t.currentvalue),
        pnl = coalesce(x.pnl, t.pnl),
        strategy_id = x.strategy_id,
        stock_broker = coalesce(k.stock_broker, t.stock_broker),
        platform = coalesce(k.platform, t.platform),
        trading_account = coalesce(k.trading_account, t.trading_account),
        collateral_qty = coalesce(k.collateral_qty, t.collateral_qty),
        collateral_type = coalesce(k.collateral_type, t.collateral_type),
        instrument_token = coalesce(CASE WHEN k.instrument_token BETWEEN 0 AND 2147483647 THEN k.instrument_token::integer END,
            t.instrument_token),
        "timestamp" = now()
    FROM x
    LEFT JOIN tradingdb.account_instruments k
      ON k.pseudo_account = $1::text AND k.organization_id = $4::text AND k.instrument_key = x.instrument_key
    WHERE t.pseudo_account = $1::text AND coalesce(t.organization_id, '') = ANY($2::text[])
      AND t.isin IS NOT DISTINCT FROM x.isin AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.product IS NOT DISTINCT FROM x.product
      -- No row is written twice in one statement.
      AND t.id <> ALL(ARRAY(SELECT id FROM gone))
      AND (t.organization_id, t.exchange, t.symbol, t.quantity, t.totalqty, t.t1_qty, t.avg_price, t.ltp, t.currentvalue, t.pnl,
           t.strategy_id, t.stock_broker, t.platform, t.trading_account, t.collateral_qty, t.collateral_type,
           t.instrument_token)
          IS DISTINCT FROM
          ($4::text, x.exchange, x.symbol, x.quantity, x.totalqty, x.t1_qty, x.avg_price, coalesce(x.ltp, t.ltp),
           coalesce(x.currentvalue, t.currentvalue), coalesce(x.pnl, t.pnl), x.strategy_id,
           coalesce(k.stock_broker, t.stock_broker), coalesce(k.platform, t.platform),
           coalesce(k.trading_account, t.trading_account), coalesce(k.collateral_qty, t.collateral_qty),
           coalesce(k.collateral_type, t.collateral_type),
           coalesce(CASE WHEN k.instrument_token BETWEEN 0 AND 2147483647 THEN k.instrument_token::integer END,
               t.instrument_token))
)
INSERT INTO tradingdb.holdings
    (organization_id, pseudo_account, "timestamp",
     isin, exchange, instrument_key, product, symbol, quantity, totalqty, t1_qty, avg_price, ltp,
     currentvalue, pnl, strategy_id, stock_broker, platform, trading_account, collateral_qty, collateral_type,
     instrument_token)
SELECT $4::text, $1::text, now(),
       x.isin, x.exchange, x.instrument_key, x.product, x.symbol, x.quantity, x.totalqty, x.t1_qty,
       x.avg_price, x.ltp, x.currentvalue, x.pnl, x.strategy_id, k.stock_broker, k.platform, k.trading_account,
       k.collateral_qty, k.collateral_type,
       CASE WHEN k.instrument_token BETWEEN 0 AND 2147483647 THEN k.instrument_token::integer END
FROM x
LEFT JOIN tradingdb.account_instruments k
  ON k.pseudo_account = $1::text AND k.organization_id = $4::text AND k.instrument_key = x.instrument_key
WHERE NOT EXISTS (
    SELECT FROM tradingdb.holdings t
    WHERE t.pseudo_account = $1::text AND coalesce(t.organization_id, '') = ANY($2::text[])
      AND t.isin IS NOT DISTINCT FROM x.isin AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.product IS NOT DISTINCT FROM x.product)
