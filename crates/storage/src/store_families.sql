-- Families of an account ($1, $2), new ones and those that go on. One that is stored just so is not written.
INSERT INTO tradingdb.ledger_families AS stored
    (id, pseudo_account, organization_id, strategy_id, is_live, last_day, odd_days, ledger, findings, positions,
     holdings, written)
SELECT x.id, $1, $2, x.strategy_id, x.is_live, x.last_day, x.odd_days::date[], x.ledger::json,
       x.findings::jsonb, x.positions::jsonb, x.holdings::jsonb, x.written
FROM unnest($3::bigint[], $4::text[], $5::boolean[], $6::date[], $7::text[], $8::text[], $9::text[], $10::text[],
            $11::text[], $12::bytea[])
     AS x (id, strategy_id, is_live, last_day, odd_days, ledger, findings, positions, holdings, written)
ON CONFLICT (id) DO UPDATE
SET is_live = excluded.is_live, last_day = excluded.last_day, odd_days = excluded.odd_days, ledger = excluded.ledger,
    findings = excluded.findings, positions = excluded.positions, holdings = excluded.holdings, written = excluded.written
WHERE stored.written IS DISTINCT FROM excluded.written
