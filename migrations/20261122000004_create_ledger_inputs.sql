-- What the ledger needs beside orders. Prices are rupees per unit; quantities are in the exchange's unit.
CREATE TABLE IF NOT EXISTS tradingdb.fills (
    order_id integer NOT NULL REFERENCES tradingdb.orders (id) ON DELETE CASCADE,
    trade_id text NOT NULL,
    quantity numeric NOT NULL CONSTRAINT fills_quantity_positive CHECK (quantity > 0),
    price numeric NOT NULL,
    at timestamp with time zone NOT NULL,
    PRIMARY KEY (order_id, trade_id)
);
COMMENT ON TABLE tradingdb.fills IS 'Single executions where they are known; an order without fills counts by its row';

CREATE TABLE IF NOT EXISTS tradingdb.instruments (
    instrument_key text PRIMARY KEY,
    exchange text NOT NULL,
    symbol text NOT NULL,
    isin text,
    expiry date,
    strike numeric,
    option_type text,
    multiplier numeric,
    lot_size numeric
);
COMMENT ON COLUMN tradingdb.instruments.multiplier IS 'Units per quoted quantity; NULL where nobody said (unknown on MCX, CDS, BCD)';

CREATE TABLE IF NOT EXISTS tradingdb.opening_lots (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id text NOT NULL,
    pseudo_account text NOT NULL,
    instrument_key text NOT NULL,
    isin text,
    exchange text NOT NULL,
    symbol text NOT NULL,
    product text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    opened_at timestamp with time zone NOT NULL
);
CREATE INDEX IF NOT EXISTS opening_lots_account_idx ON tradingdb.opening_lots (pseudo_account, organization_id);
COMMENT ON COLUMN tradingdb.opening_lots.quantity IS 'Signed: negative is a short lot';

CREATE TABLE IF NOT EXISTS tradingdb.corporate_actions (
    isin text NOT NULL,
    kind text NOT NULL CONSTRAINT corporate_actions_kind_known
        CHECK (kind IN ('split', 'bonus', 'rename', 'merger', 'demerger')),
    ex_date date NOT NULL,
    factor numeric,
    new_isin text,
    cost_fraction numeric,
    PRIMARY KEY (isin, kind, ex_date)
);
COMMENT ON COLUMN tradingdb.corporate_actions.factor IS 'New quantity per old (a 1:1 bonus is 2); demerger: child shares per parent share';

CREATE TABLE IF NOT EXISTS tradingdb.market_holidays (
    exchange text NOT NULL,
    date date NOT NULL,
    description text,
    PRIMARY KEY (exchange, date)
);
