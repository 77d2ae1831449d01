use chrono::{DateTime, Utc};

use crate::pool::migrator;
use crate::{Storage, StorageError};

/// PostgreSQL as it is, for `doctor`.
#[derive(Debug, Clone)]
pub struct DatabaseFacts {
    /// Its version, as `server_version_num`: 150018 is 15.18.
    pub version: i32,
    /// Its clock.
    pub now: DateTime<Utc>,
    /// Whether it is a standby, which takes no writes.
    pub is_standby: bool,
    /// Connections it has at most, and has now.
    pub connections: (i32, i64),
    /// Which of `fsync`, `full_page_writes` and `synchronous_commit` are off.
    pub not_durable: Vec<String>,
    /// Migrations of this program that have not run here.
    pub pending: usize,
    /// Migrations that have run here and that this program does not know.
    pub unknown: usize,
}

/// What is in the schema, and what our user may do with it; only where all migrations have run.
#[derive(Debug, Clone)]
pub struct SchemaFacts {
    /// Our tables, and sequences of theirs, that our user may not use as it must.
    pub forbidden: Vec<String>,
    /// Triggers that note changes of orders and of families, and do not fire for everybody who writes.
    pub idle_triggers: Vec<String>,
    /// Accounts whose brokerage refuses the login.
    pub logins_needed: i64,
    /// The latest published tick, and its interval in seconds where its beat said so.
    pub last_tick: Option<(DateTime<Utc>, Option<f64>)>,
    /// Orders and fills that changed and that no sync has taken in yet.
    pub changes_waiting: i64,
}

impl Storage {
    /// What the server says of itself.
    pub async fn database_facts(&self) -> Result<DatabaseFacts, StorageError> {
        let row = sqlx::query!(
            r#"SELECT current_setting('server_version_num')::int AS "version!", clock_timestamp() AS "now!",
                      pg_is_in_recovery() AS "standby!", current_setting('max_connections')::int AS "most!",
                      (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS "open!",
                      ARRAY(SELECT name FROM unnest(ARRAY['fsync', 'full_page_writes', 'synchronous_commit']) AS name
                            WHERE current_setting(name) = 'off') AS "off!""#
        )
        .fetch_one(&self.pool)
        .await?;
        let applied = self.applied_versions().await?;
        let known: Vec<i64> = migrator().iter().map(|migration| migration.version).collect();
        Ok(DatabaseFacts {
            version: row.version,
            now: row.now,
            is_standby: row.standby,
            connections: (row.most, row.open),
            not_durable: row.off,
            pending: known.iter().filter(|version| !applied.contains(version)).count(),
            unknown: applied.iter().filter(|version| !known.contains(version)).count(),
        })
    }

    /// What is in the schema.
    pub async fn schema_facts(&self, schedule: &str) -> Result<SchemaFacts, StorageError> {
        // Sequences: those that a default takes its numbers from; an identity's needs no right of its own.
        let forbidden = sqlx::query_scalar!(
            r#"WITH ours AS (
                   SELECT c.oid, c.relname, c.relkind, c.relnamespace
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'tradingdb' AND c.relkind IN ('r', 'p', 'v', 'f') AND c.relname = ANY($1)
               ), needed AS (
                   SELECT * FROM ours
                   UNION
                   SELECT s.oid, s.relname, s.relkind, s.relnamespace
                   FROM ours JOIN pg_attrdef a ON a.adrelid = ours.oid
                       JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
                           AND d.refclassid = 'pg_class'::regclass
                       JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
               )
               SELECT relname::text AS "name!" FROM needed
               WHERE NOT CASE
                   WHEN NOT has_schema_privilege(relnamespace, 'USAGE') THEN false
                   WHEN relkind = 'S' THEN has_sequence_privilege(oid, 'USAGE')
                   WHEN relkind = 'v' THEN has_table_privilege(oid, 'SELECT')
                   ELSE has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                       AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE') END
               ORDER BY 1"#,
            &our_tables()
        )
        .fetch_all(&self.pool)
        .await?;
        let idle_triggers = sqlx::query_scalar!(
            r#"SELECT format('%s on %s', t.tgname, c.relname) AS "trigger!"
               FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                   JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid
               WHERE n.nspname = 'tradingdb' AND NOT t.tgisinternal AND t.tgenabled <> 'A'
                 AND p.pronamespace = n.oid AND (p.prosecdef OR p.proname = 'forget_written')
               ORDER BY 1"#
        )
        .fetch_all(&self.pool)
        .await?;
        let row = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM tradingdb.brokerage_accounts WHERE login_refused_at IS NOT NULL) AS "logins!",
                      (SELECT count(*) FROM (SELECT FROM tradingdb.order_changes LIMIT 1000000) c) AS "changes!""#
        )
        .fetch_one(&self.pool)
        .await?;
        let last_tick = sqlx::query!(
            "SELECT tick_at, interval_seconds::double precision FROM tradingdb.ticks
             WHERE schedule = $1 AND published_at IS NOT NULL AND tick_at <= now() ORDER BY tick_at DESC LIMIT 1",
            schedule
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(SchemaFacts {
            forbidden,
            idle_triggers,
            logins_needed: row.logins,
            last_tick: last_tick.map(|tick| (tick.tick_at, tick.interval_seconds)),
            changes_waiting: row.changes,
        })
    }
}

/// The tables and views that our migrations make in the schema, which others may use as well.
fn our_tables() -> Vec<String> {
    migrator().iter().flat_map(|migration| made_by(migration.sql.as_str())).collect()
}

fn made_by(sql: &str) -> impl Iterator<Item = String> {
    let made = sql.lines().filter(|line| {
        line.starts_with("CREATE ")
            && ["TABLE", "VIEW"].iter().any(|kind| line.contains(&format!(" {kind} ")))
    });
    made.filter_map(|line| {
        let (_, rest) = line.split_once("tradingdb.")?;
        Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_views_are_ours_and_indexes_and_what_is_altered_are_not() {
        let sql = "-- CREATE TABLE tradingdb.nothing (\nCREATE TABLE IF NOT EXISTS tradingdb.ticks (\n\
                   CREATE OR REPLACE VIEW tradingdb.executions AS\nCREATE INDEX a ON tradingdb.others (b);\n\
                   ALTER TABLE tradingdb.theirs ADD COLUMN c int;\nCREATE TABLE tradingdb.tock(id int);";
        assert_eq!(made_by(sql).collect::<Vec<_>>(), ["ticks", "executions", "tock"]);
    }
}
