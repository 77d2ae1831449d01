use std::collections::{HashMap, HashSet};

use ledger::Account;
use pipeline::ACCOUNT_SYNC;
use queue::DeadLetter;
use serde_json::json;
use service::exit;
use storage::JobWait;

use super::selection::Selection;
use super::{argument, open};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::notes;
use crate::output;
use crate::progress::Progress;
use crate::servers::Servers;

/// Reasons for which a job may well run another time; a message with any other was not understood.
const CURABLE: [&str; 3] = ["retries_exhausted", "crash_loop", "redelivery_limit"];

/// Makes letters jobs again.
pub(super) async fn run(selection: &Selection, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let interrupt = Interrupt::listen();
    // Outcomes carry PostgreSQL's time, and only those after the replay count.
    let opened = async { Ok((servers.migrated_storage().await?, open(servers).await?)) };
    let (storage, mut dead) = interrupt.or("nothing was replayed", opened).await?;
    let wanted = selection.of(&dead);
    let told: HashMap<String, (&str, Option<String>)> = (dead.letters().iter())
        .filter(|letter| wanted.contains(&letter.id))
        .map(|letter| (letter.id.clone(), (letter.queue.name(), letter.reason.clone())))
        .collect();
    let count = wanted.len();
    let (noted, waits): (Vec<String>, Vec<JobWait>) = (dead.letters().iter())
        .filter(|letter| wanted.contains(&letter.id))
        .filter_map(|letter| Some((letter.id.clone(), replayed(letter, &servers.client)?)))
        .unzip();
    let now = storage.now().await?;
    notes::note(&storage, &waits).await?;
    let progress = Progress::new("replayed", count);
    let goes_on = |done| {
        progress.at(done);
        !interrupt.is_typed()
    };
    let replay = dead.replay_while(&wanted, now, goes_on).await;
    drop(progress);
    let alive: HashSet<&String> = replay.ids.iter().collect();
    let still_dead: Vec<JobWait> =
        (noted.iter().zip(waits)).filter(|(id, _)| !alive.contains(id)).map(|(_, wait)| wait).collect();
    notes::take_back(&storage, &still_dead).await;
    let closed = dead.close().await;
    if json {
        output::document(&json!({"replayed": replay.ids}));
    }
    for id in &replay.ids {
        let Some((queue, reason)) = told.get(id) else { continue };
        if !json {
            output::say(&format!("{id} is a job again, on {queue}"));
        }
        if let Some(reason) = reason.as_deref().filter(|reason| !CURABLE.contains(reason)) {
            output::complain(&format!(
                "note: {id} was refused ({reason}); it comes back unless the workers have changed"
            ));
        }
    }
    if !json {
        output::say(&format!("{} replayed", replay.ids.len()));
    }
    if let Some(error) = replay.error {
        output::complain(&format!("{} are still dead letters", count - replay.ids.len()));
        return Err(error.into());
    }
    closed?;
    if interrupt.is_typed() && replay.ids.len() < count {
        return Err(Failure::interrupted(&format!("{} are still dead letters", count - replay.ids.len())));
    }
    selection.check(&wanted)?;
    Ok(exit::DONE)
}

/// The note by which `account why` knows where the job is; `None`: it is the sync of no account.
fn replayed(letter: &DeadLetter, client: &str) -> Option<JobWait> {
    letter.task.as_deref().filter(|task| *task == ACCOUNT_SYNC)?;
    let is_name = |text: &&str| !text.is_empty() && !text.contains('\0');
    let organization = argument(letter, 0, "organization_id").filter(&is_name)?;
    let account = argument(letter, 1, "pseudo_account").filter(is_name)?;
    let job_id = letter.headers.get("id")?.as_str().filter(is_name)?;
    Some(JobWait {
        job_id: job_id.to_owned(),
        account: Account::new(organization, account),
        queue: letter.queue.name().to_owned(),
        state: "queued".to_owned(),
        reason: Some("replayed".to_owned()),
        error: letter.error.as_ref().map(|error| error.replace('\0', "")),
        retries: 0,
        retries_max: None,
        due_at: None,
        worker: client.to_owned(),
        is_on_its_way: false,
    })
}
