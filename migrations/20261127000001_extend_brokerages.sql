-- More brokerages, logins that ran out, and why an order placed elsewhere was given to a strategy.
SET LOCAL lock_timeout = '10s';

ALTER TABLE tradingdb.orders
    ADD COLUMN IF NOT EXISTS strategy_method text,
    ADD COLUMN IF NOT EXISTS strategy_confidence numeric;
COMMENT ON COLUMN tradingdb.orders.source IS 'Who brought the row: IMPORT; EXTERNAL (found in the brokerage''s book, placed elsewhere); LEG (found there, a part of an own order); NULL for everybody else';
COMMENT ON COLUMN tradingdb.orders.strategy_method IS 'Why an EXTERNAL order was given to its strategy: position, recent_orders or single_active; NULL: nobody guessed';
COMMENT ON COLUMN tradingdb.orders.strategy_confidence IS '0 to 1';

ALTER TABLE tradingdb.brokerage_accounts
    ADD COLUMN IF NOT EXISTS login_refused_at timestamp with time zone,
    ADD COLUMN IF NOT EXISTS login_refused_digest text,
    ADD COLUMN IF NOT EXISTS login_refused_message text;
COMMENT ON COLUMN tradingdb.brokerage_accounts.login_refused_at IS 'The brokerage refused the login then; NULL: as far as anybody knows it is good';
COMMENT ON COLUMN tradingdb.brokerage_accounts.login_refused_digest IS 'Of the secrets that were refused: they are not tried again, others are';

-- One kind more is no danger to programs of before: they refuse what they do not know when they meet it.
ALTER TABLE tradingdb.brokerage_accounts DROP CONSTRAINT IF EXISTS brokerage_accounts_kind_known;
ALTER TABLE tradingdb.brokerage_accounts
    ADD CONSTRAINT brokerage_accounts_kind_known CHECK (kind IN ('kite', 'autotrader', 'paper'));

COMMENT ON COLUMN tradingdb.account_sync_state.discrepancies IS 'What the last look at the brokerage found that does not agree with it';
