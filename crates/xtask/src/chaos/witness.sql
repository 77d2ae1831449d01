-- What no outcome tells: writings of runs that had lost their account.
CREATE SCHEMA witness;

CREATE TABLE witness.testimonies (
    account text NOT NULL,
    what text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION witness.row_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    written record := coalesce(NEW, OLD);
BEGIN
    IF NOT EXISTS (
        SELECT FROM tradingdb.account_sync_state
        WHERE pseudo_account = written.pseudo_account AND lease_job IS NOT NULL
    ) THEN
        INSERT INTO witness.testimonies (account, what)
        VALUES (written.pseudo_account, format('%s of %s while no run had the account', TG_OP, TG_TABLE_NAME));
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON tradingdb.positions
    FOR EACH ROW EXECUTE FUNCTION witness.row_written();
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON tradingdb.holdings
    FOR EACH ROW EXECUTE FUNCTION witness.row_written();
CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON tradingdb.ledger_families
    FOR EACH ROW EXECUTE FUNCTION witness.row_written();

CREATE FUNCTION witness.run_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO witness.testimonies (account, what)
    VALUES (NEW.pseudo_account, format('job %s ended a run while %s had the account', NEW.last_sync_id,
                                       coalesce('job ' || OLD.lease_job, 'none')));
    RETURN NULL;
END $$;

CREATE TRIGGER witness AFTER UPDATE ON tradingdb.account_sync_state
    FOR EACH ROW
    WHEN (NEW.last_started_at IS DISTINCT FROM OLD.last_started_at
          AND NEW.last_sync_id IS DISTINCT FROM OLD.lease_job)
    EXECUTE FUNCTION witness.run_ended();
