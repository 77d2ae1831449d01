use chrono::Utc;
use storage::{DatabaseFacts, SchemaFacts, Storage, StorageError};

use super::Looked;
use super::clocks::Lead;
use super::finding::Finding;
use crate::ago::ago;
use crate::servers::Servers;

/// 13 has all that the statements use; older ones are tried by nobody.
const VERSION_MIN: i32 = 130_000;
/// A tick of unknown pace is taken for one of the default one.
const INTERVAL_SECONDS: f64 = 300.0;
/// From this share on connections run short.
const CONNECTIONS_SHARE: f64 = 0.9;

/// Looks at PostgreSQL and at what is in it.
pub(super) async fn look(servers: &Servers, looked: &mut Looked) {
    let storage = match servers.storage() {
        Ok(storage) => storage,
        Err(failure) => {
            let mend = "set DATABASE_URL";
            return looked.findings.push(Finding::serious("postgresql", failure.text(), mend));
        }
    };
    if let Err(error) = look_inside(&storage, looked).await {
        looked.findings.push(away(&error));
    }
}

async fn look_inside(storage: &Storage, looked: &mut Looked) -> Result<(), StorageError> {
    // The first answer takes the time of connecting as well, which would blur the clock.
    storage.now().await?;
    let asked = Utc::now();
    let now = storage.now().await?;
    looked.lead = Some(Lead::of(now, asked, Utc::now()));
    let facts = storage.database_facts().await?;
    looked.findings.extend(server(&facts));
    if facts.pending == 0 {
        looked.findings.extend(schema(storage).await);
    }
    Ok(())
}

fn away(error: &StorageError) -> Finding {
    let mend =
        "see whether PostgreSQL runs, and what DATABASE_URL says: host, port, database, user and password";
    Finding::serious("postgresql", pipeline::chain(error), mend)
}

fn server(facts: &DatabaseFacts) -> Vec<Finding> {
    let version = format!("PostgreSQL {}.{}", facts.version / 10_000, facts.version % 10_000);
    let mut findings = vec![if facts.version < VERSION_MIN {
        Finding::warning("postgresql", format!("{version} is old"), "use PostgreSQL 13 or later")
    } else {
        Finding::ok("postgresql", version)
    }];
    if facts.is_standby {
        let mend = "let DATABASE_URL name the primary";
        findings.push(Finding::serious("postgresql_primary", "it is a standby, which takes no writes", mend));
    }
    findings.push(match (facts.pending, facts.unknown) {
        (0, 0) => Finding::ok("migrations", "all have run"),
        (0, unknown) => Finding::warning(
            "migrations",
            format!("{unknown} have run that this program does not know: it is older than the database"),
            "nothing in a rollout; else use the newer syncfleet",
        ),
        (pending, _) => Finding::serious(
            "migrations",
            format!("{pending} have not run: workers and beats wait for them"),
            "run `syncfleet migrate`",
        ),
    });
    findings.push(match facts.not_durable.as_slice() {
        [] => Finding::ok("postgresql_durability", "commits are on disk when they are answered"),
        off => Finding::warning(
            "postgresql_durability",
            format!("off: {}; a crash may lose what was committed, or all of it", off.join(", ")),
            "switch them on in postgresql.conf",
        ),
    });
    let (most, open) = facts.connections;
    let text = format!("{open} of {most} connections are in use");
    findings.push(if open as f64 >= f64::from(most) * CONNECTIONS_SHARE {
        Finding::warning("postgresql_connections", text, "raise max_connections, or run fewer workers: each opens up to eight for each core that it may use, 32 at most")
    } else {
        Finding::ok("postgresql_connections", text)
    });
    findings
}

async fn schema(storage: &Storage) -> Vec<Finding> {
    let facts = match storage.schema_facts(pipeline::SCHEDULE).await {
        Ok(facts) => facts,
        Err(error) => {
            let mend = "grant the user what migrations/README.md says";
            return vec![Finding::serious("postgresql_permissions", pipeline::chain(&error), mend)];
        }
    };
    vec![permissions(&facts), triggers(&facts), ticks(&facts), logins(&facts)]
}

fn permissions(facts: &SchemaFacts) -> Finding {
    match facts.forbidden.as_slice() {
        [] => Finding::ok("postgresql_permissions", "our user may read and write all our tables"),
        tables => Finding::serious(
            "postgresql_permissions",
            format!("our user lacks rights on: {}", tables.join(", ")),
            "grant SELECT, INSERT, UPDATE, DELETE on the tables of tradingdb and USAGE on its sequences (migrations/README.md)",
        ),
    }
}

fn triggers(facts: &SchemaFacts) -> Finding {
    match facts.idle_triggers.as_slice() {
        [] => Finding::ok(
            "order_changes",
            format!(
                "changes of orders are noted; {} wait for their account's next sync",
                facts.changes_waiting
            ),
        ),
        idle => Finding::serious(
            "order_changes",
            format!("not always fired, so new orders or damaged rows may go unnoticed: {}", idle.join(", ")),
            "ALTER TABLE tradingdb.… ENABLE ALWAYS TRIGGER …, then `syncfleet sync --all --force`",
        ),
    }
}

fn ticks(facts: &SchemaFacts) -> Finding {
    let mend = "start a syncfleet-beat, or read the log of the one that should be there; nothing where Celery's beat drives the fleet, \
                whose ticks are not noted";
    let Some((at, interval)) = facts.last_tick else {
        return Finding::warning("ticks", "no syncfleet-beat has ever published a tick", mend);
    };
    let now = Utc::now();
    let text = format!("the last one was {}", ago(at, now));
    if (now - at).as_seconds_f64() > 2.0 * interval.unwrap_or(INTERVAL_SECONDS) {
        Finding::warning(
            "ticks",
            format!("{text}, more than two intervals, and no syncfleet-beat has published one since"),
            mend,
        )
    } else {
        Finding::ok("ticks", text)
    }
}

fn logins(facts: &SchemaFacts) -> Finding {
    match facts.logins_needed {
        0 => Finding::ok("logins", "no brokerage refuses a login"),
        count => Finding::warning(
            "logins",
            format!("{count} accounts wait for a login: their brokerage refuses the one there is"),
            "renew their secrets; `syncfleet account list` names them, `syncfleet brokerage test` tries one",
        ),
    }
}
