-- What a sync needs to cost what is new: which orders changed, and what the past of each family of instruments
-- leaves behind.
SET LOCAL lock_timeout = '10s';

-- The key of an order's instrument, also of rows that have none: as `ledger::key_for` makes it.
CREATE OR REPLACE FUNCTION tradingdb.instrument_key_of(instrument_key text, exchange text, symbol text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(instrument_key, coalesce(exchange, '') || '@' || coalesce(symbol, '')
        || CASE WHEN exchange IN ('NSE', 'BSE') THEN '@equities' ELSE '@unknown' END);

-- An instant that a calendar can hold; infinity and what is beyond is none.
CREATE OR REPLACE FUNCTION tradingdb.possible_time(at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 00:00:00+00' THEN at END;

-- One row per execution that counts: the fills of an order where they are known, else the order itself, at the time
-- of its latest state. Money of adopted tables is double precision: through text it becomes the shortest decimal
-- that reads back the same. NaN and infinities are no price.
CREATE OR REPLACE VIEW tradingdb.executions AS
SELECT o.id AS order_id, o.pseudo_account, coalesce(o.organization_id, '') AS organization_id,
       tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol) AS instrument_key,
       coalesce(o.exchange, '') AS exchange, coalesce(o.symbol, '') AS symbol, o.isin, o.trade_type,
       coalesce(o.product_type, '') AS product, o.strategy_id,
       f.trade_id, coalesce(o.exchange_order_id, o.broker_order_id) AS exchange_order_id,
       coalesce(tradingdb.possible_time(f.at), tradingdb.possible_time(o.exchange_time),
                tradingdb.possible_time(o.platform_time), tradingdb.possible_time(o."timestamp"),
                'epoch'::timestamptz) AS at,
       coalesce(f.quantity, o.filled_quantity::numeric) AS quantity,
       CASE WHEN f.price BETWEEN -1e15 AND 1e15 THEN round(f.price, 12)
            WHEN f.order_id IS NOT NULL THEN NULL
            WHEN o.average_price BETWEEN -1e15 AND 1e15 THEN round(o.average_price::text::numeric, 12)
       END AS price,
       -- What the order says beyond its known executions, and since when.
       CASE WHEN f.order_id IS NOT NULL
            THEN o.filled_quantity::numeric
                 - (SELECT sum(s.quantity) FROM tradingdb.fills s WHERE s.order_id = o.id AND s.quantity < 1e15)
       END AS short_by,
       coalesce(tradingdb.possible_time(o.exchange_time), tradingdb.possible_time(o.platform_time),
                tradingdb.possible_time(o."timestamp")) AS state_at,
       f.order_id IS NULL
           OR f.trade_id = (SELECT min(s.trade_id) FROM tradingdb.fills s WHERE s.order_id = o.id) AS is_first
FROM tradingdb.orders o
LEFT JOIN tradingdb.fills f ON f.order_id = o.id
WHERE coalesce(f.quantity, o.filled_quantity::numeric) <> 0
  -- A quantity that is no number counts nowhere.
  AND coalesce(f.quantity, 0) < 1e15;

-- Changes of orders, fills and opening lots that no sync has taken in yet. A sync deletes those it has read, in the
-- transaction that stores what it made of them: what was committed while it read is there for the next one, which no
-- sequence and no timestamp would promise.
CREATE TABLE IF NOT EXISTS tradingdb.order_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pseudo_account text NOT NULL,
    organization_id text NOT NULL,
    order_id integer,
    instrument_key text,
    strategy_id text NOT NULL DEFAULT '',
    appeared boolean NOT NULL DEFAULT false,
    at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS order_changes_account_idx ON tradingdb.order_changes (pseudo_account, organization_id, id);
CREATE INDEX IF NOT EXISTS order_changes_at_idx ON tradingdb.order_changes (at);
COMMENT ON COLUMN tradingdb.order_changes.organization_id IS 'As in the row: empty where it has none';
COMMENT ON COLUMN tradingdb.order_changes.instrument_key IS 'What changed; NULL: anything of the account';
COMMENT ON COLUMN tradingdb.order_changes.appeared IS 'Nothing of the order counted before, so nothing needs to be taken back';

-- Multipliers, ISINs, corporate actions and holidays concern many accounts, so nobody can delete these. Each account
-- remembers the snapshot of its last generation and looks for what was not visible in it.
CREATE TABLE IF NOT EXISTS tradingdb.reference_changes (
    changed_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind text NOT NULL CONSTRAINT reference_changes_kind_known CHECK (kind IN ('key', 'isin', 'holidays')),
    name text NOT NULL,
    at timestamp with time zone NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS reference_changes_idx ON tradingdb.reference_changes (changed_by);

-- What belongs together (see `ledger::Ledger::split`), for the account (strategy_id '') and for each strategy apart.
CREATE TABLE IF NOT EXISTS tradingdb.ledger_families (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    organization_id text NOT NULL,
    pseudo_account text NOT NULL,
    strategy_id text NOT NULL,
    is_live boolean NOT NULL,
    last_day date,
    odd_days date[] NOT NULL,
    ledger json NOT NULL,
    findings jsonb NOT NULL,
    positions jsonb,
    holdings jsonb
);
CREATE INDEX IF NOT EXISTS ledger_families_day_idx
    ON tradingdb.ledger_families (pseudo_account, organization_id, strategy_id, last_day);
CREATE INDEX IF NOT EXISTS ledger_families_live_idx
    ON tradingdb.ledger_families (pseudo_account, organization_id, strategy_id) WHERE is_live;
CREATE INDEX IF NOT EXISTS ledger_families_odd_idx
    ON tradingdb.ledger_families (pseudo_account, organization_id) WHERE odd_days <> '{}';
CREATE INDEX IF NOT EXISTS ledger_families_findings_idx
    ON tradingdb.ledger_families (pseudo_account, organization_id) WHERE findings <> '[]';
COMMENT ON TABLE tradingdb.ledger_families IS 'Open lots and all else that later fills need of the past; made anew whenever in doubt';
COMMENT ON COLUMN tradingdb.ledger_families.is_live IS 'Another day can change its rows';
COMMENT ON COLUMN tradingdb.ledger_families.odd_days IS 'Days with a fill on which the market is closed';
COMMENT ON COLUMN tradingdb.ledger_families.positions IS 'The rows of a strategy; an account''s are in positions and holdings';

CREATE TABLE IF NOT EXISTS tradingdb.ledger_names (
    pseudo_account text NOT NULL,
    organization_id text NOT NULL,
    strategy_id text NOT NULL,
    kind text NOT NULL CONSTRAINT ledger_names_kind_known CHECK (kind IN ('key', 'isin')),
    name text NOT NULL,
    family_id bigint NOT NULL REFERENCES tradingdb.ledger_families (id) ON DELETE CASCADE,
    PRIMARY KEY (pseudo_account, organization_id, strategy_id, kind, name)
);
CREATE INDEX IF NOT EXISTS ledger_names_family_idx ON tradingdb.ledger_names (family_id);

CREATE TABLE IF NOT EXISTS tradingdb.ledger_days (
    pseudo_account text NOT NULL,
    organization_id text NOT NULL,
    strategy_id text NOT NULL,
    view_day date NOT NULL,
    day_before date NOT NULL,
    PRIMARY KEY (pseudo_account, organization_id, strategy_id)
);
COMMENT ON TABLE tradingdb.ledger_days IS 'The trading day that the rows of an account, or of a strategy, are of';

ALTER TABLE tradingdb.account_sync_state
    ADD COLUMN IF NOT EXISTS ledger_version integer,
    ADD COLUMN IF NOT EXISTS ledger_snapshot pg_snapshot,
    ADD COLUMN IF NOT EXISTS ledger_rebuild_at timestamp with time zone,
    ADD COLUMN IF NOT EXISTS ledger_whole_at timestamp with time zone;
COMMENT ON COLUMN tradingdb.account_sync_state.ledger_version IS 'ledger::SAVED_VERSION of its families; another one makes them anew';
COMMENT ON COLUMN tradingdb.account_sync_state.ledger_snapshot IS 'Reference data visible in it is in the families';
COMMENT ON COLUMN tradingdb.account_sync_state.ledger_whole_at IS 'When every row of the account was looked at last';
COMMENT ON COLUMN tradingdb.account_sync_state.ledger_rebuild_at IS 'When something dated in the future comes to exist';

-- Capturing works for every writer: plain SQL, COPY, an empty search_path, logical replication, a role that may write
-- orders and nothing else.
CREATE OR REPLACE FUNCTION tradingdb.note_inserted_orders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH counted AS (
        SELECT pseudo_account, coalesce(organization_id, '') AS organization_id, id,
               tradingdb.instrument_key_of(instrument_key, exchange, symbol) AS instrument_key,
               coalesce(strategy_id, '') AS strategy_id
        FROM inserted
        WHERE pseudo_account IS NOT NULL
          -- A replica may bring an order after its fills.
          AND (filled_quantity <> 0 OR EXISTS (SELECT FROM tradingdb.fills f WHERE f.order_id = inserted.id))
    ), sizes AS (
        SELECT pseudo_account, organization_id, count(*) AS orders FROM counted GROUP BY 1, 2
    )
    INSERT INTO tradingdb.order_changes
        (pseudo_account, organization_id, order_id, instrument_key, strategy_id, appeared)
    SELECT c.pseudo_account, c.organization_id, c.id, c.instrument_key, c.strategy_id, true
    FROM counted c JOIN sizes USING (pseudo_account, organization_id) WHERE orders <= 1000
    UNION ALL
    -- Reading everything anew costs less than so many single changes.
    SELECT pseudo_account, organization_id, NULL, NULL, '', false FROM sizes WHERE orders > 1000;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_deleted_orders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Its fills may be gone already, so an order of which nothing is filled counts too.
    INSERT INTO tradingdb.order_changes (pseudo_account, organization_id, order_id, instrument_key, strategy_id)
    SELECT pseudo_account, coalesce(organization_id, ''), id,
           tradingdb.instrument_key_of(instrument_key, exchange, symbol), coalesce(strategy_id, '')
    FROM deleted WHERE pseudo_account IS NOT NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_updated_orders() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH changed AS (
        SELECT o AS old, n AS new, (SELECT count(*) FROM tradingdb.fills f WHERE f.order_id = coalesce(n.id, o.id)) AS fills
        FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
        WHERE (o.pseudo_account, o.organization_id, o.exchange, o.symbol, o.instrument_key, o.isin, o.trade_type,
               o.product_type, o.strategy_id, o.exchange_order_id, o.broker_order_id, o.exchange_time,
               o.platform_time, o."timestamp", o.filled_quantity, o.average_price)
              IS DISTINCT FROM
              (n.pseudo_account, n.organization_id, n.exchange, n.symbol, n.instrument_key, n.isin, n.trade_type,
               n.product_type, n.strategy_id, n.exchange_order_id, n.broker_order_id, n.exchange_time,
               n.platform_time, n."timestamp", n.filled_quantity, n.average_price)
    ), counted AS (
        SELECT c.old, c.new, fills > 0 OR coalesce((c.old).filled_quantity, 0) <> 0 AS did,
               fills > 0 OR coalesce((c.new).filled_quantity, 0) <> 0 AS does
        FROM changed c
    ), sides AS (
        SELECT (c.old).*, false AS appeared FROM counted c WHERE c.did
        UNION ALL
        SELECT (c.new).*, NOT c.did AS appeared FROM counted c WHERE c.does
    )
    INSERT INTO tradingdb.order_changes
        (pseudo_account, organization_id, order_id, instrument_key, strategy_id, appeared)
    SELECT DISTINCT pseudo_account, coalesce(organization_id, ''), id,
           tradingdb.instrument_key_of(instrument_key, exchange, symbol), coalesce(strategy_id, ''), appeared
    FROM sides WHERE pseudo_account IS NOT NULL;
    RETURN NULL;
END $$;

-- An order and its fills are changed one after the other, so that each change is noted with what the other left:
-- else an order could be counted by its row and by its fills.
CREATE OR REPLACE FUNCTION tradingdb.note_inserted_fills() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM tradingdb.orders WHERE id IN (SELECT order_id FROM inserted) ORDER BY id FOR NO KEY UPDATE;
    INSERT INTO tradingdb.order_changes
        (pseudo_account, organization_id, order_id, instrument_key, strategy_id, appeared)
    SELECT o.pseudo_account, coalesce(o.organization_id, ''), o.id,
           tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol), coalesce(o.strategy_id, ''),
           coalesce(o.filled_quantity, 0) = 0
           AND (SELECT count(*) FROM tradingdb.fills f WHERE f.order_id = o.id)
             = (SELECT count(*) FROM inserted i WHERE i.order_id = o.id)
    FROM tradingdb.orders o
    WHERE o.id IN (SELECT order_id FROM inserted) AND o.pseudo_account IS NOT NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_changed_fills() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM tradingdb.orders WHERE id IN (SELECT order_id FROM changed) ORDER BY id FOR NO KEY UPDATE;
    INSERT INTO tradingdb.order_changes (pseudo_account, organization_id, order_id, instrument_key, strategy_id)
    SELECT o.pseudo_account, coalesce(o.organization_id, ''), o.id,
           tradingdb.instrument_key_of(o.instrument_key, o.exchange, o.symbol), coalesce(o.strategy_id, '')
    FROM tradingdb.orders o
    WHERE o.id IN (SELECT order_id FROM changed) AND o.pseudo_account IS NOT NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_changed_lots() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO tradingdb.order_changes (pseudo_account, organization_id, instrument_key)
    SELECT DISTINCT pseudo_account, organization_id, instrument_key FROM changed;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_truncation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO tradingdb.order_changes (pseudo_account, organization_id)
    SELECT pseudo_account, organization_id FROM tradingdb.account_sync_state;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_changed_instruments() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO tradingdb.reference_changes (kind, name)
    SELECT 'key', instrument_key FROM changed
    UNION
    SELECT 'isin', isin FROM changed WHERE isin IS NOT NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_updated_instruments() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    WITH changed AS (
        SELECT instrument_key, exchange, symbol, isin, expiry, multiplier FROM old_rows
        EXCEPT SELECT instrument_key, exchange, symbol, isin, expiry, multiplier FROM new_rows
        UNION ALL
        (SELECT instrument_key, exchange, symbol, isin, expiry, multiplier FROM new_rows
         EXCEPT SELECT instrument_key, exchange, symbol, isin, expiry, multiplier FROM old_rows)
    )
    INSERT INTO tradingdb.reference_changes (kind, name)
    SELECT 'key', instrument_key FROM changed
    UNION
    SELECT 'isin', isin FROM changed WHERE isin IS NOT NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_changed_actions() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO tradingdb.reference_changes (kind, name)
    SELECT 'isin', isin FROM changed
    UNION
    SELECT 'isin', new_isin FROM changed WHERE new_isin IS NOT NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tradingdb.note_changed_holidays() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO tradingdb.reference_changes (kind, name)
    SELECT DISTINCT 'holidays', exchange FROM changed WHERE exchange = 'NSE';
    RETURN NULL;
END $$;

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('orders', 'note_inserted', 'INSERT', 'NEW TABLE AS inserted', 'note_inserted_orders'),
            ('orders', 'note_updated', 'UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows', 'note_updated_orders'),
            ('orders', 'note_deleted', 'DELETE', 'OLD TABLE AS deleted', 'note_deleted_orders'),
            ('orders', 'note_truncated', 'TRUNCATE', NULL, 'note_truncation'),
            ('fills', 'note_inserted', 'INSERT', 'NEW TABLE AS inserted', 'note_inserted_fills'),
            ('fills', 'note_updated_from', 'UPDATE', 'OLD TABLE AS changed', 'note_changed_fills'),
            ('fills', 'note_updated_to', 'UPDATE', 'NEW TABLE AS changed', 'note_changed_fills'),
            ('fills', 'note_deleted', 'DELETE', 'OLD TABLE AS changed', 'note_changed_fills'),
            ('fills', 'note_truncated', 'TRUNCATE', NULL, 'note_truncation'),
            ('opening_lots', 'note_inserted', 'INSERT', 'NEW TABLE AS changed', 'note_changed_lots'),
            ('opening_lots', 'note_updated_from', 'UPDATE', 'OLD TABLE AS changed', 'note_changed_lots'),
            ('opening_lots', 'note_updated_to', 'UPDATE', 'NEW TABLE AS changed', 'note_changed_lots'),
            ('opening_lots', 'note_deleted', 'DELETE', 'OLD TABLE AS changed', 'note_changed_lots'),
            ('opening_lots', 'note_truncated', 'TRUNCATE', NULL, 'note_truncation'),
            ('instruments', 'note_inserted', 'INSERT', 'NEW TABLE AS changed', 'note_changed_instruments'),
            ('instruments', 'note_updated', 'UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows', 'note_updated_instruments'),
            ('instruments', 'note_deleted', 'DELETE', 'OLD TABLE AS changed', 'note_changed_instruments'),
            ('instruments', 'note_truncated', 'TRUNCATE', NULL, 'note_truncation'),
            ('corporate_actions', 'note_inserted', 'INSERT', 'NEW TABLE AS changed', 'note_changed_actions'),
            ('corporate_actions', 'note_updated_from', 'UPDATE', 'OLD TABLE AS changed', 'note_changed_actions'),
            ('corporate_actions', 'note_updated_to', 'UPDATE', 'NEW TABLE AS changed', 'note_changed_actions'),
            ('corporate_actions', 'note_deleted', 'DELETE', 'OLD TABLE AS changed', 'note_changed_actions'),
            ('corporate_actions', 'note_truncated', 'TRUNCATE', NULL, 'note_truncation'),
            ('market_holidays', 'note_inserted', 'INSERT', 'NEW TABLE AS changed', 'note_changed_holidays'),
            ('market_holidays', 'note_updated_from', 'UPDATE', 'OLD TABLE AS changed', 'note_changed_holidays'),
            ('market_holidays', 'note_updated_to', 'UPDATE', 'NEW TABLE AS changed', 'note_changed_holidays'),
            ('market_holidays', 'note_deleted', 'DELETE', 'OLD TABLE AS changed', 'note_changed_holidays'),
            ('market_holidays', 'note_truncated', 'TRUNCATE', NULL, 'note_truncation')
        ) AS w (of_table, name, event, transition, function)
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON tradingdb.%I %s FOR EACH STATEMENT EXECUTE FUNCTION tradingdb.%I()',
            wanted.name, wanted.event, wanted.of_table,
            CASE WHEN wanted.transition IS NULL THEN '' ELSE 'REFERENCING ' || wanted.transition END, wanted.function);
        EXECUTE format('ALTER TABLE tradingdb.%I ENABLE ALWAYS TRIGGER %I', wanted.of_table, wanted.name);
    END LOOP;
END $$;

CREATE INDEX IF NOT EXISTS instruments_isin_idx ON tradingdb.instruments (isin) WHERE isin IS NOT NULL;
CREATE INDEX IF NOT EXISTS corporate_actions_new_isin_idx
    ON tradingdb.corporate_actions (new_isin) WHERE new_isin IS NOT NULL;
