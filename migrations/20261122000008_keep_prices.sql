-- What is known of an instrument at an account beside its trades: what the brokerage last said of it, and what the
-- account's orders say. Rows of positions and holdings are completed from it without a look at the past.
SET LOCAL lock_timeout = '10s';

CREATE TABLE IF NOT EXISTS tradingdb.account_instruments (
    organization_id text NOT NULL,
    pseudo_account text NOT NULL,
    instrument_key text NOT NULL,
    last_price numeric,
    close_price numeric,
    instrument_token bigint,
    collateral_qty integer,
    collateral_type text,
    told_at timestamp with time zone,
    order_id integer,
    stock_broker text,
    platform text,
    trading_account text,
    account_id text,
    independent_exchange text,
    independent_symbol text,
    PRIMARY KEY (pseudo_account, organization_id, instrument_key)
);
COMMENT ON COLUMN tradingdb.account_instruments.last_price IS 'Rupees per unit, never 0; NULL: nobody said';
COMMENT ON COLUMN tradingdb.account_instruments.close_price IS 'Of the trading day before the one on which it was told';
COMMENT ON COLUMN tradingdb.account_instruments.told_at IS 'When the brokerage last said something else than before';
COMMENT ON COLUMN tradingdb.account_instruments.order_id IS 'The latest order that the columns after it are from; each has the latest value there is';

ALTER TABLE tradingdb.account_sync_state ADD COLUMN IF NOT EXISTS prices_at timestamp with time zone;
COMMENT ON COLUMN tradingdb.account_sync_state.prices_at IS 'Prices changed then and no generation has counted with them yet; NULL: all are in the rows';

-- The columns from orders are noted as orders are folded in. Where that was done before this table was there, everything
-- is made anew once.
UPDATE tradingdb.account_sync_state SET ledger_version = NULL WHERE ledger_version IS NOT NULL;
