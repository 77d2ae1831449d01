//! What is set in every session of the product. Nothing but constants: `cargo xtask bench` compiles this file too, to send
//! PostgreSQL the same statements under the same settings.

/// Settings of PostgreSQL by name.
pub(crate) const SETTINGS: [(&str, &str); 11] = [
    // No statement of ours takes this long; one that does is stuck and is ended by the server.
    ("statement_timeout", "18s"),
    ("TimeZone", "UTC"),
    // The search path is ours too: sqlx names the table of its migrations without a schema.
    ("search_path", "public"),
    // A plan lives as long as its connection: one that was made while a table was empty would scan it ever after.
    // Every statement here has an index to go by, and a plan good for any parameters (`tests/storage/plans.rs`).
    ("enable_seqscan", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    // Such a plan has to be good for an account of many rows too. Helpers that are started for one of few cost a hundred times
    // what there is to read.
    ("max_parallel_workers_per_gather", "0"),
    // Of a transaction that was dropped before or after its end: nothing to do about it, and nothing to read.
    ("client_min_messages", "error"),
    // A client that is gone without a word: its transaction would keep an account locked for as long as TCP believes in it,
    // two hours by default. No transaction of ours is idle for longer than it computes.
    ("idle_in_transaction_session_timeout", "20s"),
    ("tcp_keepalives_idle", "15"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];
