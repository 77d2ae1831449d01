use serde_json::{Value, json};

use super::evidence::{Evidence, TickJob, errors_of};
use super::open_jobs::Job;
use super::verdict::{State, Verdict, clock};
use crate::account::overview_row;
use crate::ago::ago;
use crate::instant::rfc3339;
use crate::output::{self, Span, Tone};

/// The document of `--json`.
pub(super) fn document(evidence: &Evidence, verdict: &Verdict) -> Value {
    let mut document = overview_row(&evidence.overview);
    let more = json!({
        "now": rfc3339(evidence.jobs.now),
        "state": verdict.state.as_str(),
        "verdict": verdict.text,
        "mend": verdict.mend,
        "job": verdict.jobs.first().map(job),
        "jobs": verdict.jobs.iter().map(job).collect::<Vec<_>>(),
        "last_tick": evidence.ticks.first().map(tick),
        "queues": evidence.queues.as_ref().map(|queues| queues.iter()
            .map(|queue| json!({"name": queue.name, "ready": queue.ready, "consumers": queue.consumers}))
            .collect::<Vec<_>>()),
        "outcomes": evidence.jobs.outcomes.iter().map(|outcome| json!({
            "sync_id": outcome.sync_id, "status": outcome.status, "reason": outcome.reason,
            "superseded_by": outcome.superseded_by, "worker": outcome.worker, "retries": outcome.retries,
            "started_at": outcome.started_at.map(rfc3339), "finished_at": rfc3339(outcome.finished_at),
            "errors": outcome.report.as_ref().map_or_else(|| json!([]), |report| report["errors"].clone()),
        })).collect::<Vec<_>>(),
    });
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}

/// For people: the answer, what it rests on, and how the last jobs ended.
pub(super) fn print(evidence: &Evidence, verdict: &Verdict) {
    let now = evidence.jobs.now;
    output::say(&verdict.text);
    if let Some(mend) = &verdict.mend {
        output::say(&format!("→ {mend}"));
    }
    output::say("");
    match evidence.ticks.first() {
        None => fact("last tick", "none"),
        Some(TickJob { tick, .. }) => {
            let published = tick.published_at.map_or_else(
                || "not published yet".to_owned(),
                |at| format!("published {} by", clock(at, now)),
            );
            fact(
                "last tick",
                &format!("{} ({}), {published} {}", clock(tick.at, now), ago(tick.at, now), tick.beat),
            );
        }
    }
    if let Some(brokerage) = &evidence.overview.brokerage {
        let login = match &evidence.overview.login_needed {
            Some((at, message)) => format!(", login needed since {}: {message}", clock(*at, now)),
            None => String::new(),
        };
        fact("brokerage", &format!("{brokerage}{login}"));
    }
    for queue in
        evidence.queues.iter().flatten().filter(|queue| queue.ready > 0 || !queue.name.contains(".delay."))
    {
        fact("queue", &format!("{}: {} ready, {} consumers", queue.name, queue.ready, queue.consumers));
    }
    for other in verdict.jobs.iter().filter(|job| job.state != State::Expired) {
        let retries =
            other.retries.filter(|retries| *retries > 0).map_or_else(String::new, |n| format!(", retry {n}"));
        fact("job", &format!("{} {}{retries}", other.id, other.state.as_str()));
    }
    if evidence.jobs.outcomes.is_empty() {
        return;
    }
    output::say("");
    let rows = (evidence.jobs.outcomes.iter().take(10)).map(|outcome| {
        let why = outcome
            .superseded_by
            .as_ref()
            .map(|by| format!("superseded by {by}"))
            .or_else(|| errors_of(outcome.report.as_ref()))
            .or_else(|| outcome.reason.clone());
        vec![
            Span::from(ago(outcome.finished_at, now)),
            output::status(&outcome.status),
            Span::from(outcome.retries.to_string()),
            Span::from(outcome.sync_id.clone()),
            Span::new(why.unwrap_or_default(), Tone::Plain),
        ]
    });
    output::table(&["ended", "status", "retries", "job", "why"], &[2], rows.collect());
}

fn fact(name: &str, text: &str) {
    output::say(&format!("{name:<10} {text}"));
}

fn tick(job: &TickJob) -> Value {
    let tick = &job.tick;
    json!({"at": rfc3339(tick.at), "beat": tick.beat, "published_at": tick.published_at.map(rfc3339),
           "interval_seconds": tick.interval_seconds, "job": job.id, "due_at": rfc3339(job.due_at),
           "expires_at": job.expires_at.map(rfc3339),
           "outcome": job.outcome.as_ref().map(|outcome| outcome.status.clone())})
}

fn job(job: &Job) -> Value {
    json!({"id": job.id, "state": job.state.as_str(), "queue": job.queue, "worker": job.worker, "step": job.step,
           "since": job.since.map(rfc3339), "due_at": job.due_at.map(rfc3339), "retries": job.retries,
           "retries_max": job.retries_max, "reason": job.reason, "error": job.error})
}
