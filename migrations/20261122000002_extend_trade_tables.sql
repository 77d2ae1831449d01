-- What we add to the adopted tables. Every column is nullable and has no default, so old writers go on working
-- and no row is rewritten.
-- Behind a long transaction each of these would make everybody else wait too: better to fail and be run again.
SET LOCAL lock_timeout = '10s';

ALTER TABLE tradingdb.orders
    ADD COLUMN IF NOT EXISTS organization_id text,
    ADD COLUMN IF NOT EXISTS isin text,
    ADD COLUMN IF NOT EXISTS source text,
    ADD COLUMN IF NOT EXISTS broker_order_id text,
    ADD COLUMN IF NOT EXISTS broker_parent_id text,
    ADD COLUMN IF NOT EXISTS order_day date,
    ADD COLUMN IF NOT EXISTS line_digest text,
    ADD COLUMN IF NOT EXISTS announced_at timestamp with time zone,
    ADD COLUMN IF NOT EXISTS raw jsonb;
ALTER TABLE tradingdb.positions ADD COLUMN IF NOT EXISTS organization_id text;
ALTER TABLE tradingdb.holdings ADD COLUMN IF NOT EXISTS organization_id text;
ALTER TABLE tradingdb.margins ADD COLUMN IF NOT EXISTS organization_id text;

COMMENT ON COLUMN tradingdb.orders.organization_id IS 'Owner; NULL reads as DEFAULT_ORGANIZATION_ID, and both are one account';
COMMENT ON COLUMN tradingdb.orders.source IS 'Who brought the row: IMPORT, EXTERNAL (found in the brokerage''s book), NULL for everybody else';
COMMENT ON COLUMN tradingdb.orders.broker_order_id IS 'The brokerage''s own id of the order, unique in its day';
COMMENT ON COLUMN tradingdb.orders.broker_parent_id IS 'The brokerage''s id of the order this one is a leg of';
COMMENT ON COLUMN tradingdb.orders.order_day IS 'IST day under which the order is identified; NULL: the day of its time';
COMMENT ON COLUMN tradingdb.orders.line_digest IS 'SHA-256 of the imported line, for lines without exchange_order_id: two equal lines are one order';
COMMENT ON COLUMN tradingdb.orders.announced_at IS 'When external_order_detected was confirmed; an EXTERNAL row without it is still to be announced';
COMMENT ON COLUMN tradingdb.orders.raw IS 'The brokerage''s whole answer for this order';
