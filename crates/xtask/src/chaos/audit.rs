//! What became of everything, counted from what is stored and by arithmetic of its own (`books.rs`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testbed::psql;

use super::rows::{differences, number, text};
use super::stage::{INTERVAL, SEEN, Stage};

/// Messages taken at once: RabbitMQ forgets them with its answer, so one that comes too late would lose them.
const PAGE: usize = 100;
/// Ids of jobs that a beat published are of this version.
const OF_TICKS: &str = "substr(sync_id, 15, 1) = '5'";

/// What was found, and what is wrong about it.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// Lines of the table: what, and how much.
    pub(crate) counts: Vec<(&'static str, String)>,
    pub(crate) lost: Vec<String>,
    pub(crate) wrong: Vec<String>,
    pub(crate) missed: Vec<String>,
}

impl Stage {
    /// A number that a query counts.
    pub(crate) fn count(&self, query: &str) -> Result<i64> {
        psql(&self.database_url, &["-c", query])?.trim().parse().context("no number")
    }

    /// The rows of a query.
    pub(super) fn json(&self, rows: &str) -> Result<Vec<Value>> {
        let query = format!("SELECT coalesce(json_agg(r), '[]') FROM ({rows}) r");
        let text = psql(&self.database_url, &["-c", &query])?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Looks at everything. The fleet must be at rest, and no tick between publishing and its last outcome.
    pub(crate) fn audit(&self, planted: usize, asked: &BTreeSet<String>) -> Result<Audit> {
        let mut audit = Audit::default();
        self.audit_ticks(&mut audit)?;
        let lost =
            asked.difference(&self.ended()?).map(|id| format!("job {id} that was asked for")).collect();
        audit.lost = lost;
        audit.counts.push(("jobs asked for", asked.len().to_string()));
        self.audit_jobs(&mut audit, planted)?;
        self.audit_books(&mut audit)?;
        Ok(audit)
    }

    /// Jobs of the ticks that were published.
    pub(crate) fn published(&self) -> Result<i64> {
        self.count("SELECT coalesce(sum(accounts), 0) FROM tradingdb.ticks WHERE published_at IS NOT NULL")
    }

    /// Jobs of ticks that have an outcome.
    pub(crate) fn ended_of_ticks(&self) -> Result<i64> {
        self.count(&format!("SELECT count(*) FROM tradingdb.sync_outcomes WHERE {OF_TICKS}"))
    }

    /// The ids of all jobs that have an outcome.
    pub(crate) fn ended(&self) -> Result<BTreeSet<String>> {
        let rows = self.json("SELECT sync_id AS id FROM tradingdb.sync_outcomes")?;
        Ok(rows.iter().map(|row| text(row, "id")).collect())
    }

    fn audit_ticks(&self, audit: &mut Audit) -> Result<()> {
        let seconds = INTERVAL.as_secs();
        let ticks = self.json("SELECT extract(epoch FROM tick_at)::bigint AS at, published_at IS NOT NULL AS published FROM tradingdb.ticks ORDER BY 1")?;
        let at = |tick: &Value| tick["at"].as_u64().unwrap_or_default();
        let published: BTreeSet<u64> =
            ticks.iter().filter(|tick| tick["published"] == true).map(at).collect();
        let (Some(first), Some(last)) = (ticks.first().map(at), ticks.last().map(at)) else {
            bail!("no tick was published at all");
        };
        let due: Vec<u64> = (first..=last).step_by(usize::try_from(seconds)?).collect();
        audit.missed =
            due.iter().filter(|at| !published.contains(at)).map(|at| format!("tick {at}")).collect();
        audit.counts.push(("ticks due", due.len().to_string()));
        audit.counts.push(("ticks published", published.len().to_string()));
        Ok(())
    }

    fn audit_jobs(&self, audit: &mut Audit, planted: usize) -> Result<()> {
        let published = self.published()?;
        let ticks = self.count("SELECT count(*) FROM tradingdb.ticks WHERE published_at IS NOT NULL")?;
        let done = self.json(&format!(
            "SELECT pseudo_account AS account, count(*) AS jobs FROM tradingdb.sync_outcomes WHERE {OF_TICKS} GROUP BY 1"
        ))?;
        let mut of_ticks = 0;
        for row in &done {
            let (account, jobs) = (text(row, "account"), number(row, "jobs")?);
            of_ticks += jobs;
            match ticks - jobs {
                0 => {}
                lost @ 1.. => audit.lost.push(format!("{lost} jobs of {account}")),
                more => audit.wrong.push(format!("{} outcomes too many of {account}", -more)),
            }
        }
        let accounts = i64::try_from(done.len())?;
        if accounts * ticks != published {
            audit
                .wrong
                .push(format!("{published} jobs of {ticks} ticks were published for {accounts} accounts"));
        }
        let outcomes =
            self.json("SELECT sync_id AS id, status, superseded_by AS by FROM tradingdb.sync_outcomes")?;
        let told = self.notifications()?;
        let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
        for outcome in &outcomes {
            let by_another = !outcome["by"].is_null();
            let status = if by_another { "superseded".to_owned() } else { text(outcome, "status") };
            if !by_another && status != "expired" && !told.contains_key(&text(outcome, "id")) {
                audit.lost.push(format!("the notification of job {}", text(outcome, "id")));
            }
            *statuses.entry(status).or_default() += 1;
        }
        let statuses: Vec<String> =
            statuses.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let overlaps = self.json(
            "SELECT a.pseudo_account AS account, a.sync_id AS one, b.sync_id AS other,
                    least(a.finished_at, b.finished_at) - greatest(a.started_at, b.started_at) AS overlap
             FROM tradingdb.sync_outcomes a JOIN tradingdb.sync_outcomes b USING (organization_id, pseudo_account)
             WHERE a.sync_id < b.sync_id AND a.superseded_by IS NULL AND b.superseded_by IS NULL
               AND a.started_at < b.finished_at AND b.started_at < a.finished_at",
        )?;
        audit.wrong.extend(overlaps.iter().map(|pair| format!("two runs of one account at once: {pair}")));
        self.audit_order(audit, &told)?;
        self.audit_writings(audit)?;
        let dead = self.drain("periodic.dead")?;
        let poison = dead.iter().filter(|letter| letter.headers["task"] == "poison").count();
        if poison < planted {
            audit.lost.push(format!("{} planted messages", planted - poison));
        }
        for letter in dead.iter().filter(|letter| letter.headers["task"] != "poison") {
            audit.wrong.push(format!(
                "dead letter {}: {}",
                letter.headers["id"], letter.headers["syncfleet-reason"]
            ));
        }
        audit.counts.extend([
            ("jobs of ticks published", published.to_string()),
            ("jobs of ticks done", of_ticks.to_string()),
            ("all outcomes", format!("{} ({})", outcomes.len(), statuses.join(", "))),
            ("jobs notified", told.len().to_string()),
            ("poison planted", planted.to_string()),
            ("dead letters", format!("{} ({poison} of them poison)", dead.len())),
        ]);
        Ok(())
    }

    fn audit_books(&self, audit: &mut Audit) -> Result<()> {
        let accounts = self.expected()?;
        let mut rows = 0;
        for (account, expected) in &accounts {
            let (stored, cached) = (self.stored(account)?, self.cached(account)?);
            rows += expected.len();
            if stored != *expected {
                audit.wrong.push(format!("rows of {account}: {}", differences(expected, &stored)));
            }
            if cached != stored {
                audit.wrong.push(format!("Redis keys of {account}: {}", differences(&stored, &cached)));
            }
        }
        audit
            .counts
            .push(("accounts compared", format!("{} ({rows} rows, and their Redis keys)", accounts.len())));
        Ok(())
    }

    /// The ids of all jobs that were told, each with the greatest sequence it was told with.
    fn notifications(&self) -> Result<BTreeMap<String, i64>> {
        let mut told = BTreeMap::new();
        for message in self.drain(SEEN)? {
            let id = message.properties["message_id"].as_str().unwrap_or_default().to_owned();
            let sequence = message.headers["sequence"].as_i64().unwrap_or_default();
            let known = told.entry(id).or_insert(sequence);
            *known = sequence.max(*known);
        }
        Ok(told)
    }

    /// Runs whose outcome came after that of a later run of their account: it was theirs no more.
    fn audit_order(&self, audit: &mut Audit, told: &BTreeMap<String, i64>) -> Result<()> {
        let outcomes = self.json(
            "SELECT pseudo_account AS account, sync_id AS id FROM tradingdb.sync_outcomes
             WHERE status IN ('success', 'partial_success') AND superseded_by IS NULL ORDER BY finished_at",
        )?;
        let mut latest: BTreeMap<String, i64> = BTreeMap::new();
        for outcome in &outcomes {
            let (account, id) = (text(outcome, "account"), text(outcome, "id"));
            let Some(sequence) = told.get(&id).copied() else { continue };
            let before = latest.entry(account.clone()).or_insert(sequence);
            if sequence < *before {
                audit.wrong.push(format!(
                    "job {id} of {account} ended as run {sequence} after run {before} had: it had lost the account"
                ));
            }
            *before = sequence.max(*before);
        }
        Ok(())
    }

    /// What the database saw of runs that wrote, or ended, without having their account (`witness.sql`).
    fn audit_writings(&self, audit: &mut Audit) -> Result<()> {
        let seen = self.json("SELECT account, what, at FROM witness.testimonies ORDER BY at")?;
        let told = |row| format!("{} at {}: {}", text(row, "account"), text(row, "at"), text(row, "what"));
        audit.wrong.extend(seen.iter().map(told));
        Ok(())
    }

    fn drain(&self, queue: &str) -> Result<Vec<testbed::Message>> {
        let mut all = Vec::new();
        loop {
            // Not asked again where no answer comes: what was taken is gone.
            let page = self.vhosts[0].get(queue, PAGE)?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}
