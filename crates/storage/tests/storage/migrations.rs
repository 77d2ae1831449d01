use std::collections::BTreeSet;

use storage::{StorageError, migrator};
use testbed::Database;

use crate::support::{Bed, connect, imported, legacy_database, raghu};

fn all() -> usize {
    migrator().iter().count()
}

#[tokio::test]
async fn an_empty_database_gets_every_table() {
    let database = Database::create().unwrap();
    let storage = connect(&database);
    assert!(matches!(storage.check_migrated().await, Err(StorageError::NotMigrated(_))));
    assert_eq!(storage.migrate().await.unwrap(), all());
    storage.check_migrated().await.unwrap();
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'tradingdb'";
    assert_eq!(database.sql(tables).unwrap(), "26", "with the views executions and row_versions");
}

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let bed = Bed::migrated().await;
    let catalog = catalog(&bed.database);
    assert_eq!(bed.storage.migrate().await.unwrap(), 0);
    assert_eq!(self::catalog(&bed.database), catalog);
}

#[tokio::test]
async fn long_values_are_compressed_with_lz4_where_postgresql_has_it() {
    let bed = Bed::migrated().await;
    let knows = "SELECT coalesce(bool_or('lz4' = ANY(enumvals)), false)
                 FROM pg_settings WHERE name = 'default_toast_compression'";
    let compressed = "SELECT count(*) FROM pg_attribute
                      WHERE attrelid IN ('tradingdb.ledger_families'::regclass, 'tradingdb.sync_outcomes'::regclass)
                        AND to_jsonb(pg_attribute) ->> 'attcompression' = 'l'";
    let expected = if bed.sql(knows) == "t" { "5" } else { "0" };
    assert_eq!(bed.sql(compressed), expected);
}

#[tokio::test]
async fn money_is_numeric_where_we_create_the_tables() {
    let bed = Bed::migrated().await;
    let floats = "SELECT table_name, column_name FROM information_schema.columns
                  WHERE table_schema = 'tradingdb' AND data_type IN ('double precision', 'real')";
    assert_eq!(bed.sql(floats), "");
}

#[tokio::test]
async fn tables_of_the_replaced_system_are_adopted_and_no_row_is_touched() {
    let Some(database) = legacy_database() else { return };
    let storage = connect(&database);
    let columns = legacy_columns(&database);
    let (rows, before) = (rows(&database, &columns), catalog(&database));
    assert!(rows.contains("1100000000004") && columns.len() >= 7, "the dump sees the rows: {rows}");

    assert_eq!(storage.migrate().await.unwrap(), all());
    assert_eq!(self::rows(&database, &columns), rows);
    let after = catalog(&database);
    let lost: Vec<_> = before.difference(&after).collect();
    assert!(lost.is_empty(), "dropped or changed: {lost:?}");

    assert_eq!(storage.migrate().await.unwrap(), 0);
    assert_eq!(catalog(&database), after);
    assert_eq!(self::rows(&database, &columns), rows);
}

#[tokio::test]
async fn old_writers_go_on_working_on_adopted_tables() {
    let Some(bed) = Bed::adopted().await else { return };
    bed.sql(
        "SET search_path = '';
         COPY tradingdb.orders (pseudo_account, variety, quantity) FROM PROGRAM 'printf ''Raghu\\tREGULAR\\t1\\n''';
         INSERT INTO tradingdb.orders (pseudo_account, variety, quantity) VALUES ('Raghu', 'REGULAR', 2)",
    );
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.orders WHERE organization_id IS NULL"), "10");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_migrators_at_once_do_the_work_once() {
    let database = Database::create().unwrap();
    let (one, two) = (connect(&database), connect(&database));
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.unwrap();
    second.unwrap();
    one.check_migrated().await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM _sqlx_migrations").unwrap(), all().to_string());
    assert_eq!(two.migrate().await.unwrap(), 0);
}

#[tokio::test]
async fn an_empty_default_search_path_does_no_harm() {
    let database = Database::create().unwrap();
    database.sql(&format!("ALTER DATABASE {} SET search_path = ''", database.name())).unwrap();
    let storage = connect(&database);
    assert_eq!(storage.migrate().await.unwrap(), all());
    storage.check_migrated().await.unwrap();
    assert_eq!(storage.import_orders(&[imported(&raghu(), "1")]).await.unwrap().orders_new, 1);
    assert_eq!(storage.ledger_inputs(&raghu()).await.unwrap().fills.len(), 1);
}

/// Tables and columns of the replaced system, before anything of ours.
fn legacy_columns(database: &Database) -> Vec<(String, String)> {
    let columns = "SELECT table_name, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)
                   FROM information_schema.columns WHERE table_schema = 'tradingdb' GROUP BY 1 ORDER BY 1";
    let lines = database.sql(columns).unwrap();
    lines
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(table, columns)| (table.into(), columns.into()))
        .collect()
}

/// Those columns of every row, and where and by which transaction it was written: a rewritten row would show.
fn rows(database: &Database, columns: &[(String, String)]) -> String {
    let of = |(table, columns): &(String, String)| {
        database
            .sql(&format!("SELECT '{table}', ctid, xmin, {columns} FROM tradingdb.{table} ORDER BY ctid"))
            .unwrap()
    };
    columns.iter().map(of).collect::<Vec<_>>().join("\n")
}

/// Columns with type and default, constraints, indexes and sequences.
fn catalog(database: &Database) -> BTreeSet<String> {
    let everything =
        "SELECT 'column', table_name, column_name, data_type || ' ' || is_nullable, column_default
            FROM information_schema.columns WHERE table_schema = 'tradingdb'
        UNION ALL
        SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL
            FROM pg_constraint WHERE connamespace = 'tradingdb'::regnamespace
        UNION ALL
        SELECT 'index', tablename, indexname, indexdef, NULL FROM pg_indexes WHERE schemaname = 'tradingdb'
        UNION ALL
        SELECT 'sequence', sequencename, data_type::text, increment_by::text, NULL
            FROM pg_sequences WHERE schemaname = 'tradingdb'";
    database.sql(everything).unwrap().lines().map(str::to_owned).collect()
}
