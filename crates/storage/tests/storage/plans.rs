//! Connections are kept, so PostgreSQL may come to one plan for all parameters of a statement. That one must not read a
//! whole account where a few instruments or orders are asked for.

use crate::support::Bed;

/// An account with some thousand orders of some hundred instruments.
async fn bed() -> Bed {
    let bed = Bed::migrated().await;
    bed.sql(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, trade_type)
         SELECT 'Raghu', 'REGULAR', 1, 1, 'NSE', 'S' || n % 500, 'BUY' FROM generate_series(1, 5000) AS n",
    );
    bed.sql("ANALYZE");
    bed
}

/// The plan for any parameters.
fn generic_plan(bed: &Bed, types: &str, statement: &str, parameters: &str) -> String {
    bed.sql(&format!(
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; PREPARE asked ({types}) AS {statement};
         EXPLAIN EXECUTE asked ({parameters})"
    ))
}

#[tokio::test]
async fn some_instruments_are_read_through_their_index_whatever_the_plan() {
    let bed = bed().await;
    let statements =
        [include_str!("../../src/executions_of_instruments.sql"), include_str!("../../src/seen_isins.sql")];
    for statement in statements {
        let types = "text, text[], text[], timestamptz";
        let plan = generic_plan(&bed, types, statement, "'Raghu', '{}', '{NSE@S1@equities}', now()");
        assert!(plan.contains("orders_instrument_idx"), "{plan}");
        assert!(
            plan.contains("One-Time Filter: ($3 IS NULL)"),
            "all is read only when all is asked for: {plan}"
        );
    }
}

#[tokio::test]
async fn what_new_orders_say_is_read_of_them_alone_whatever_the_plan() {
    let bed = bed().await;
    let statement = include_str!("../../src/note_orders.sql");
    let plan = generic_plan(
        &bed,
        "text, text[], text, bigint[], boolean",
        statement,
        "'Raghu', '{}', '', '{1}', false",
    );
    assert!(plan.contains("Index Scan using orders_pkey"), "{plan}");
    assert!(plan.contains("One-Time Filter: $5"), "{plan}");
}

#[tokio::test]
async fn a_new_order_is_read_for_redis_by_itself_whatever_the_plan() {
    let bed = bed().await;
    let statement = include_str!("../../src/shown_orders.sql");
    let plan = generic_plan(&bed, "text, text[], int[]", statement, "'Raghu', '{}', '{1}'");
    assert!(plan.contains("Index Scan using orders_pkey"), "{plan}");
    assert!(plan.contains("One-Time Filter: ($3 IS NULL)"), "{plan}");
}

/// How the plan begins to read each of these tables: with the condition on an index, where it goes by one.
fn ways_into(plan: &str, tables: &[&str]) -> Vec<String> {
    let lines: Vec<&str> = plan.lines().map(str::trim).collect();
    let is_into = |line: &str| {
        line.contains("Scan")
            && !line.contains("Tid Scan")
            && tables.iter().any(|table| line.contains(&format!(" on {table} ")))
    };
    let into = lines.windows(2).filter(|pair| is_into(pair[0]));
    into.map(|pair| format!("{}: {}", pair[0].split("  (").next().unwrap_or_default(), pair[1])).collect()
}

/// Of a table that is empty now PostgreSQL thinks that all of it is read as fast as a part.
#[tokio::test]
async fn leases_and_ends_of_jobs_read_nothing_of_other_accounts_even_by_plans_made_while_there_was_nothing() {
    let bed = Bed::migrated().await;
    let statements = [
        (
            "text[], text[], text[], text[], float8[], timestamptz[], boolean[], boolean[], text, bigint",
            include_str!("../../src/take_free_accounts.sql"),
            "'{o}', '{a}', '{j}', '{w}', '{30}', '{2026-11-30}', '{f}', '{f}', 'default', 5001",
            &["account_sync_state", "sync_outcomes o", "job_crashes c", "order_changes"][..],
        ),
        (
            "text[], text[], bigint[], text[], text[], text[], text[], integer[], text[], boolean[], boolean[], text[],
             bigint[], bigint[]",
            include_str!("../../src/finish_runs.sql"),
            "'{o}', '{a}', '{1}', '{j}', '{success}', '{NULL}', '{w}', '{0}', '{NULL}', '{f}', '{f}', '{NULL}', '{1}', '{1}'",
            &["account_sync_state", "order_changes", "waiting_jobs"][..],
        ),
    ];
    for before in ["SELECT", "VACUUM ANALYZE"] {
        bed.sql(before);
        for (types, statement, parameters, tables) in statements {
            let plan = generic_plan(&bed, types, &format!("{statement} "), parameters);
            let ways = ways_into(&plan, tables);
            assert!(ways.len() >= tables.len(), "{plan}");
            for way in ways {
                let goes_by_one =
                    ["organization_id = a.", "sync_id = a.", "job_id = a.", "pseudo_account = "];
                // The last column of another index has the same condition.
                let is_one = way.contains("order_changes_pkey") && way.ends_with("(id = of.id)");
                let (_, condition) = way.split_once(": ").unwrap();
                let condition = condition.trim_start_matches("Recheck ").trim_start_matches("Index ");
                let condition = condition.trim_start_matches("Cond: ").trim_start_matches('(');
                assert!(is_one || goes_by_one.iter().any(|one| condition.starts_with(one)), "{way}\n{plan}");
            }
        }
    }
}
