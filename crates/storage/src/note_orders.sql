-- The changes ($4) are taken in, with what the account's orders ($1, $2; $3) say of an instrument beside its trades: all of them
-- ($5), or those that changed. Each column has the value of the latest order that has one; an order older than what
-- is known only fills gaps.
WITH taken_in AS (
    DELETE FROM tradingdb.order_changes WHERE id = ANY($4::bigint[]) RETURNING order_id
)
INSERT INTO tradingdb.account_instruments AS known
    (organization_id, pseudo_account, instrument_key, order_id, stock_broker, platform, trading_account, account_id,
     independent_exchange, independent_symbol)
SELECT $3, $1, said.instrument_key, said.order_id, said.stock_broker, said.platform, said.trading_account, said.account_id,
       said.independent_exchange, said.independent_symbol
FROM (
    SELECT o.instrument_key, max(o.id) AS order_id,
           (array_agg(o.stock_broker ORDER BY o.id DESC) FILTER (WHERE o.stock_broker <> ''))[1] AS stock_broker,
           (array_agg(o.platform ORDER BY o.id DESC) FILTER (WHERE o.platform <> ''))[1] AS platform,
           (array_agg(o.trading_account ORDER BY o.id DESC) FILTER (WHERE o.trading_account <> ''))[1] AS trading_account,
           (array_agg(o.account_id ORDER BY o.id DESC) FILTER (WHERE o.account_id <> ''))[1] AS account_id,
           (array_agg(o.independent_exchange ORDER BY o.id DESC) FILTER (WHERE o.independent_exchange <> ''))[1] AS independent_exchange,
           (array_agg(o.independent_symbol ORDER BY o.id DESC) FILTER (WHERE o.independent_symbol <> ''))[1] AS independent_symbol
    FROM (
        -- Two branches, of which one is never run: with an OR a generic plan would read all orders each time.
        SELECT id, tradingdb.instrument_key_of(instrument_key, exchange, symbol) AS instrument_key, stock_broker, platform,
               trading_account, raw ->> 'account_id' AS account_id, independent_exchange, independent_symbol
        FROM tradingdb.orders
        WHERE $5::boolean AND pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2::text[])
        UNION ALL
        SELECT id, tradingdb.instrument_key_of(instrument_key, exchange, symbol), stock_broker, platform, trading_account,
               raw ->> 'account_id', independent_exchange, independent_symbol
        FROM tradingdb.orders
        WHERE NOT $5::boolean AND id = ANY(ARRAY(SELECT order_id FROM taken_in)) AND pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2::text[])
    ) o
    GROUP BY o.instrument_key
    HAVING count(coalesce(nullif(o.stock_broker, ''), nullif(o.platform, ''), nullif(o.trading_account, ''),
                          nullif(o.account_id, ''), nullif(o.independent_exchange, ''), nullif(o.independent_symbol, ''))) > 0
) said
-- Each by its key, whatever the plan: an account may have many instruments, and few that say anything.
LEFT JOIN LATERAL (
    SELECT * FROM tradingdb.account_instruments k
    WHERE k.pseudo_account = $1 AND k.organization_id = $3 AND k.instrument_key = said.instrument_key
    OFFSET 0
) k ON true
-- What says nothing new is not written.
WHERE (said.order_id, coalesce(said.stock_broker, k.stock_broker), coalesce(said.platform, k.platform),
       coalesce(said.trading_account, k.trading_account), coalesce(said.account_id, k.account_id),
       coalesce(said.independent_exchange, k.independent_exchange),
       coalesce(said.independent_symbol, k.independent_symbol))
      IS DISTINCT FROM
      (k.order_id, k.stock_broker, k.platform, k.trading_account, k.account_id, k.independent_exchange,
       k.independent_symbol)
ON CONFLICT (pseudo_account, organization_id, instrument_key) DO UPDATE
    SET order_id = greatest(excluded.order_id, known.order_id),
        stock_broker = CASE WHEN excluded.order_id < known.order_id
            THEN coalesce(known.stock_broker, excluded.stock_broker)
            ELSE coalesce(excluded.stock_broker, known.stock_broker) END,
        platform = CASE WHEN excluded.order_id < known.order_id
            THEN coalesce(known.platform, excluded.platform)
            ELSE coalesce(excluded.platform, known.platform) END,
        trading_account = CASE WHEN excluded.order_id < known.order_id
            THEN coalesce(known.trading_account, excluded.trading_account)
            ELSE coalesce(excluded.trading_account, known.trading_account) END,
        account_id = CASE WHEN excluded.order_id < known.order_id
            THEN coalesce(known.account_id, excluded.account_id)
            ELSE coalesce(excluded.account_id, known.account_id) END,
        independent_exchange = CASE WHEN excluded.order_id < known.order_id
            THEN coalesce(known.independent_exchange, excluded.independent_exchange)
            ELSE coalesce(excluded.independent_exchange, known.independent_exchange) END,
        independent_symbol = CASE WHEN excluded.order_id < known.order_id
            THEN coalesce(known.independent_symbol, excluded.independent_symbol)
            ELSE coalesce(excluded.independent_symbol, known.independent_symbol) END
