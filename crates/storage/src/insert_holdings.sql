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
FROM jsonb_to_recordset($3::jsonb) AS x (
    isin text, exchange text, instrument_key text, product text, symbol text, quantity integer, totalqty
    integer, t1_qty integer, avg_price numeric, ltp numeric, currentvalue numeric, pnl numeric,
    strategy_id text)
LEFT JOIN tradingdb.account_instruments k
  ON k.pseudo_account = $1::text AND k.organization_id = $4::text AND k.instrument_key = x.instrument_key
WHERE NOT EXISTS (
    SELECT FROM tradingdb.holdings t
    WHERE t.pseudo_account = $1::text AND coalesce(t.organization_id, '') = ANY($2::text[])
      AND t.isin IS NOT DISTINCT FROM x.isin AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.product IS NOT DISTINCT FROM x.product)
