-- Apart from the columns: those lock the tables for an instant, these lock their writers for as long as they are built.

-- Accounts are found by a skip scan over this index, and one account's orders are read through it.
CREATE INDEX IF NOT EXISTS orders_account_idx
    ON tradingdb.orders (pseudo_account, (coalesce(organization_id, '')), id);
-- One order per (organization, account, exchange, IST day, id), whoever of ours brings it. Partial, because rows
-- of the replaced system may hold duplicates that nobody may change here.
CREATE UNIQUE INDEX IF NOT EXISTS orders_exchange_order_key
    ON tradingdb.orders (organization_id, pseudo_account, exchange, order_day, exchange_order_id)
    WHERE order_day IS NOT NULL AND exchange_order_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS orders_broker_order_key
    ON tradingdb.orders (organization_id, pseudo_account, exchange, order_day, broker_order_id)
    WHERE order_day IS NOT NULL AND broker_order_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS orders_line_digest_key
    ON tradingdb.orders (organization_id, pseudo_account, line_digest)
    WHERE line_digest IS NOT NULL;
-- An import looks its orders up by the exchange's id, those of the replaced system among them.
CREATE INDEX IF NOT EXISTS orders_exchange_order_idx
    ON tradingdb.orders (pseudo_account, exchange_order_id) WHERE exchange_order_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_unannounced_idx
    ON tradingdb.orders (pseudo_account) WHERE source = 'EXTERNAL' AND announced_at IS NULL;
CREATE INDEX IF NOT EXISTS positions_account_idx ON tradingdb.positions (pseudo_account, (coalesce(organization_id, '')));
CREATE INDEX IF NOT EXISTS holdings_account_idx ON tradingdb.holdings (pseudo_account, (coalesce(organization_id, '')));
CREATE INDEX IF NOT EXISTS margins_account_idx ON tradingdb.margins (pseudo_account, (coalesce(organization_id, '')));
CREATE INDEX IF NOT EXISTS order_events_order_idx ON tradingdb.order_events (order_id);
