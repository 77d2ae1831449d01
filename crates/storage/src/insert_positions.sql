INSERT INTO tradingdb.positions
    (organization_id, pseudo_account, "timestamp",
     exchange, instrument_key, type, symbol, buy_quantity, buy_avg_price, buy_value, sell_quantity,
     sell_avg_price, sell_value, net_quantity, net_value, overnight_quantity, multiplier, ltp, pnl, mtm,
     realised_pnl, unrealised_pnl, direction, category, state, strategy_id, account_id, stock_broker, platform,
     trading_account, independent_exchange, independent_symbol)
SELECT $4::text, $1::text, now(),
       x.exchange, x.instrument_key, x.type, x.symbol, x.buy_quantity, x.buy_avg_price, x.buy_value,
       x.sell_quantity, x.sell_avg_price, x.sell_value, x.net_quantity, x.net_value, x.overnight_quantity,
       x.multiplier, x.ltp, x.pnl, x.mtm, x.realised_pnl, x.unrealised_pnl, x.direction, x.category,
       x.state, x.strategy_id, k.account_id, k.stock_broker, k.platform, k.trading_account, k.independent_exchange,
       k.independent_symbol
FROM jsonb_to_recordset($3::jsonb) AS x (
    exchange text, instrument_key text, type text, symbol text, buy_quantity integer, buy_avg_price
    numeric, buy_value numeric, sell_quantity integer, sell_avg_price numeric, sell_value numeric,
    net_quantity integer, net_value numeric, overnight_quantity integer, multiplier integer, ltp
    numeric, pnl numeric, mtm numeric, realised_pnl numeric, unrealised_pnl numeric, direction text,
    category text, state text, strategy_id text)
LEFT JOIN tradingdb.account_instruments k
  ON k.pseudo_account = $1::text AND k.organization_id = $4::text AND k.instrument_key = x.instrument_key
WHERE NOT EXISTS (
    SELECT FROM tradingdb.positions t
    WHERE t.pseudo_account = $1::text AND coalesce(t.organization_id, '') = ANY($2::text[])
      AND t.exchange IS NOT DISTINCT FROM x.exchange AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.type IS NOT DISTINCT FROM x.type)
