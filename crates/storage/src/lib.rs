//! PostgreSQL: every SQL statement, the leases, the tick ledger and the migrator.
