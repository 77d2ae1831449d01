-- A rebuild writes only the families that are not stored as it made them. What it has to read of each to know that are a
-- few bytes, not all that is stored.
SET LOCAL lock_timeout = '10s';

ALTER TABLE tradingdb.ledger_families ADD COLUMN IF NOT EXISTS written bytea;
COMMENT ON COLUMN tradingdb.ledger_families.written IS
    'Digest of the row as the program wrote it; NULL: of an older program, or changed by somebody else since';

-- Whoever changes a row and does not say what it is now leaves no digest, and so has it written anew. A row trigger, unlike
-- those of tables that others write: it must alter the row, and only programs of this system and repairs write here.
CREATE OR REPLACE FUNCTION tradingdb.forget_written() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.written := NULL;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER forget_written BEFORE UPDATE ON tradingdb.ledger_families
    FOR EACH ROW WHEN (OLD.written = NEW.written) EXECUTE FUNCTION tradingdb.forget_written();
ALTER TABLE tradingdb.ledger_families ENABLE ALWAYS TRIGGER forget_written;
