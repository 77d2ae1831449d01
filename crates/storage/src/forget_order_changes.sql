-- Of accounts that will be read anew anyway.
DELETE FROM tradingdb.order_changes
WHERE id IN (
    SELECT c.id FROM tradingdb.order_changes c
    WHERE c.at < now() - make_interval(secs => $1::double precision * 86400)
      AND NOT EXISTS (
          SELECT FROM tradingdb.account_sync_state s
          WHERE s.pseudo_account = c.pseudo_account AND s.ledger_version IS NOT NULL)
    LIMIT 100000)
