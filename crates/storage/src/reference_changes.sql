-- What was not visible in the snapshot of the last generation, and concerns the account.
SELECT DISTINCT c.kind, c.name
FROM tradingdb.account_sync_state s
JOIN tradingdb.reference_changes c
  ON c.changed_by >= pg_snapshot_xmin(s.ledger_snapshot)
 AND NOT pg_visible_in_snapshot(c.changed_by, s.ledger_snapshot)
WHERE s.organization_id = $1 AND s.pseudo_account = $2
  AND (c.kind = 'holidays' OR EXISTS (
          SELECT FROM tradingdb.ledger_names n
          WHERE n.pseudo_account = $2 AND n.organization_id = $1 AND n.kind = c.kind AND n.name = c.name))
