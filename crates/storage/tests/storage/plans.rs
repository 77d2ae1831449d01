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
        "SET plan_cache_mode = force_generic_plan; PREPARE asked ({types}) AS {statement};
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
