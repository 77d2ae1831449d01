-- What a snapshot in Redis needs to cost what is new: every change of an order that its readers see, not only of what counts
-- in the ledger; and what Redis holds already.
SET LOCAL lock_timeout = '10s';

ALTER TABLE tradingdb.order_changes
    ADD COLUMN IF NOT EXISTS counts boolean NOT NULL DEFAULT true,
    ADD COLUMN IF NOT EXISTS inserted boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN tradingdb.order_changes.counts IS 'It may change positions or holdings; else only the order itself reads otherwise';
COMMENT ON COLUMN tradingdb.order_changes.inserted IS 'The order was not there before';

ALTER TABLE tradingdb.account_sync_state
    ADD COLUMN IF NOT EXISTS cached_sequence bigint,
    ADD COLUMN IF NOT EXISTS cached_rows text;
COMMENT ON COLUMN tradingdb.account_sync_state.cached_sequence IS
    'The version of the snapshot in Redis that has everything but what order_changes and cached_rows tell; NULL: none is known to';
COMMENT ON COLUMN tradingdb.account_sync_state.cached_rows IS 'The versions of the rows in it, as row_versions has them';

-- Rows of an account beside its orders. They are few, so that looking whether any of them was written costs little.
CREATE OR REPLACE VIEW tradingdb.row_versions AS
SELECT pseudo_account, coalesce(organization_id, '') AS organization_id,
       hashint8extended(4 * id::bigint, xmin::text::bigint) AS version
FROM tradingdb.positions
UNION ALL
SELECT pseudo_account, coalesce(organization_id, ''), hashint8extended(4 * id::bigint + 1, xmin::text::bigint)
FROM tradingdb.holdings
UNION ALL
SELECT pseudo_account, coalesce(organization_id, ''), hashint8extended(4 * id::bigint + 2, xmin::text::bigint)
FROM tradingdb.margins;

CREATE OR REPLACE FUNCTION tradingdb.note_inserted_orders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH noted AS (
        SELECT pseudo_account, coalesce(organization_id, '') AS organization_id, id,
               tradingdb.instrument_key_of(instrument_key, exchange, symbol) AS instrument_key,
               coalesce(strategy_id, '') AS strategy_id,
               -- A replica may bring an order after its fills.
               coalesce(filled_quantity, 0) <> 0
               OR EXISTS (SELECT FROM tradingdb.fills f WHERE f.order_id = inserted.id) AS counts
        FROM inserted
        WHERE pseudo_account IS NOT NULL
    ), sizes AS (
        SELECT pseudo_account, organization_id, count(*) AS orders, bool_or(counts) AS counts FROM noted GROUP BY 1, 2
    )
    INSERT INTO tradingdb.order_changes
        (pseudo_account, organization_id, order_id, instrument_key, strategy_id, appeared, counts, inserted)
    SELECT n.pseudo_account, n.organization_id, n.id, n.instrument_key, n.strategy_id, n.counts, n.counts, true
    FROM noted n JOIN sizes USING (pseudo_account, organization_id) WHERE orders <= 1000
    UNION ALL
    -- Reading everything anew costs less than so many single changes.
    SELECT pseudo_account, organization_id, NULL, NULL, '', false, counts, false FROM sizes WHERE orders > 1000;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_updated_orders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH written AS (
        SELECT o AS old, n AS new, (SELECT count(*) FROM tradingdb.fills f WHERE f.order_id = coalesce(n.id, o.id)) AS fills,
               (o.pseudo_account, o.organization_id, o.exchange, o.symbol, o.instrument_key, o.isin, o.trade_type,
                o.product_type, o.strategy_id, o.exchange_order_id, o.broker_order_id, o.exchange_time,
                o.platform_time, o."timestamp", o.filled_quantity, o.average_price,
                -- What positions and holdings have from their orders.
                o.stock_broker, o.platform, o.trading_account, o.independent_exchange, o.independent_symbol)
               IS DISTINCT FROM
               (n.pseudo_account, n.organization_id, n.exchange, n.symbol, n.instrument_key, n.isin, n.trade_type,
                n.product_type, n.strategy_id, n.exchange_order_id, n.broker_order_id, n.exchange_time,
                n.platform_time, n."timestamp", n.filled_quantity, n.average_price,
                n.stock_broker, n.platform, n.trading_account, n.independent_exchange, n.independent_symbol) AS is_traded_otherwise
        FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
    ), changed AS (
        SELECT * FROM written w
        WHERE is_traded_otherwise
           OR to_jsonb(w.old) - '{raw,line_digest,order_day,announced_at}'::text[]
              IS DISTINCT FROM to_jsonb(w.new) - '{raw,line_digest,order_day,announced_at}'::text[]
    ), counted AS (
        SELECT c.old, c.new, is_traded_otherwise AND (fills > 0 OR coalesce((c.old).filled_quantity, 0) <> 0) AS did,
               is_traded_otherwise AND (fills > 0 OR coalesce((c.new).filled_quantity, 0) <> 0) AS does,
               ((c.old).pseudo_account, coalesce((c.old).organization_id, ''))
               IS NOT DISTINCT FROM ((c.new).pseudo_account, coalesce((c.new).organization_id, '')) AS is_at_home
        FROM changed c
    ), sides AS (
        SELECT (c.old).*, false AS appeared, true AS counts FROM counted c WHERE c.did
        UNION ALL
        SELECT (c.new).*, NOT c.did AS appeared, true AS counts FROM counted c WHERE c.does
        UNION ALL
        -- Whoever reads the order sees it change all the same, in the account it has and in the one it had.
        SELECT (c.new).*, false, false FROM counted c WHERE NOT c.does AND NOT (c.did AND c.is_at_home)
        UNION ALL
        SELECT (c.old).*, false, false FROM counted c WHERE NOT c.did AND NOT c.is_at_home
    ), noted AS (
        SELECT DISTINCT pseudo_account, coalesce(organization_id, '') AS organization_id, id,
               tradingdb.instrument_key_of(instrument_key, exchange, symbol) AS instrument_key,
               coalesce(strategy_id, '') AS strategy_id, appeared, counts
        FROM sides WHERE pseudo_account IS NOT NULL
    ), sizes AS (
        SELECT pseudo_account, organization_id, count(*) AS orders, bool_or(counts) AS counts FROM noted GROUP BY 1, 2
    )
    INSERT INTO tradingdb.order_changes
        (pseudo_account, organization_id, order_id, instrument_key, strategy_id, appeared, counts)
    SELECT n.pseudo_account, n.organization_id, n.id, n.instrument_key, n.strategy_id, n.appeared, n.counts
    FROM noted n JOIN sizes USING (pseudo_account, organization_id) WHERE orders <= 1000
    UNION ALL
    SELECT pseudo_account, organization_id, NULL, NULL, '', false, counts FROM sizes WHERE orders > 1000;
    RETURN NULL;
END $$;
