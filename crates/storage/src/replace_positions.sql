-- The account's ($1, $2; $4) positions become those of the book ($3): rows that are there are brought up to date, others added.
-- Rows that vanished go, and later twins of a row (the replaced system could leave some). Instruments whose rows the ledger
-- withholds ($5) keep their last good ones. With instruments given ($6) no other one's rows vanish.
WITH x AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($3::jsonb) AS x (
    exchange text, instrument_key text, type text, symbol text, buy_quantity integer, buy_avg_price
    numeric, buy_value numeric, sell_quantity integer, sell_avg_price numeric, sell_value numeric,
    net_quantity integer, net_value numeric, overnight_quantity integer, multiplier integer, ltp
    numeric, pnl numeric, mtm numeric, realised_pnl numeric, unrealised_pnl numeric, direction text,
    category text, state text, strategy_id text)
),
gone AS (
    DELETE FROM tradingdb.positions t
    WHERE t.pseudo_account = $1 AND coalesce(t.organization_id, '') = ANY($2::text[])
      AND (t.instrument_key = ANY($5::text[])) IS NOT TRUE
      AND ($6::text[] IS NULL OR t.instrument_key = ANY($6))
      AND (NOT EXISTS (
              SELECT FROM x
              WHERE t.exchange IS NOT DISTINCT FROM x.exchange AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.type IS NOT DISTINCT FROM x.type)
           OR EXISTS (
              SELECT FROM tradingdb.positions twin
              WHERE twin.pseudo_account = $1 AND coalesce(twin.organization_id, '') = ANY($2::text[])
                AND t.exchange IS NOT DISTINCT FROM twin.exchange AND t.instrument_key IS NOT DISTINCT FROM twin.instrument_key AND t.type IS NOT DISTINCT FROM twin.type AND twin.id < t.id))
    RETURNING id
),
-- What neither the book nor the account's orders know (NULL) stays as it was; a row that says the same already is left alone.
changed AS (
    UPDATE tradingdb.positions t
    SET organization_id = $4::text,
        symbol = x.symbol,
        buy_quantity = x.buy_quantity,
        buy_avg_price = x.buy_avg_price,
        buy_value = x.buy_value,
        sell_quantity = x.sell_quantity,
        sell_avg_price = x.sell_avg_price,
        sell_value = x.sell_value,
        net_quantity = x.net_quantity,
        net_value = x.net_value,
        overnight_quantity = x.overnight_quantity,
        multiplier = coalesce(x.multiplier, t.multiplier),
        ltp = coalesce(x.ltp, t.ltp),
        pnl = coalesce(x.pnl, t.pnl),
        mtm = coalesce(x.mtm, t.mtm),
        realised_pnl = x.realised_pnl,
        unrealised_pnl = coalesce(x.unrealised_pnl, t.unrealised_pnl),
        direction = x.direction,
        category = x.category,
        state = x.state,
        strategy_id = x.strategy_id,
        account_id = coalesce(k.account_id, t.account_id),
        stock_broker = coalesce(k.stock_broker, t.stock_broker),
        platform = coalesce(k.platform, t.platform),
        trading_account = coalesce(k.trading_account, t.trading_account),
        independent_exchange = coalesce(k.independent_exchange, t.independent_exchange),
        independent_symbol = coalesce(k.independent_symbol, t.independent_symbol),
        "timestamp" = now()
    FROM x
    LEFT JOIN tradingdb.account_instruments k
      ON k.pseudo_account = $1::text AND k.organization_id = $4::text AND k.instrument_key = x.instrument_key
    WHERE t.pseudo_account = $1::text AND coalesce(t.organization_id, '') = ANY($2::text[])
      AND t.exchange IS NOT DISTINCT FROM x.exchange AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.type IS NOT DISTINCT FROM x.type
      -- No row is written twice in one statement.
      AND t.id <> ALL(ARRAY(SELECT id FROM gone))
      AND (t.organization_id, t.symbol, t.buy_quantity, t.buy_avg_price, t.buy_value, t.sell_quantity, t.sell_avg_price,
           t.sell_value, t.net_quantity, t.net_value, t.overnight_quantity, t.multiplier, t.ltp, t.pnl, t.mtm,
           t.realised_pnl, t.unrealised_pnl, t.direction, t.category, t.state, t.strategy_id,
           t.account_id, t.stock_broker, t.platform, t.trading_account, t.independent_exchange, t.independent_symbol)
          IS DISTINCT FROM
          ($4::text, x.symbol, x.buy_quantity, x.buy_avg_price, x.buy_value, x.sell_quantity, x.sell_avg_price,
           x.sell_value, x.net_quantity, x.net_value, x.overnight_quantity, coalesce(x.multiplier,
           t.multiplier), coalesce(x.ltp, t.ltp), coalesce(x.pnl, t.pnl), coalesce(x.mtm, t.mtm),
           x.realised_pnl, coalesce(x.unrealised_pnl, t.unrealised_pnl), x.direction, x.category, x.state,
           x.strategy_id, coalesce(k.account_id, t.account_id), coalesce(k.stock_broker, t.stock_broker),
           coalesce(k.platform, t.platform), coalesce(k.trading_account, t.trading_account),
           coalesce(k.independent_exchange, t.independent_exchange),
           coalesce(k.independent_symbol, t.independent_symbol))
)
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
FROM x
LEFT JOIN tradingdb.account_instruments k
  ON k.pseudo_account = $1::text AND k.organization_id = $4::text AND k.instrument_key = x.instrument_key
WHERE NOT EXISTS (
    SELECT FROM tradingdb.positions t
    WHERE t.pseudo_account = $1::text AND coalesce(t.organization_id, '') = ANY($2::text[])
      AND t.exchange IS NOT DISTINCT FROM x.exchange AND t.instrument_key IS NOT DISTINCT FROM x.instrument_key AND t.type IS NOT DISTINCT FROM x.type)
