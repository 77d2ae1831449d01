use celery::{NewTask, TaskMessage};
use chrono::{DateTime, SecondsFormat, Utc};
use ledger::Account;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Syncs one account.
pub const ACCOUNT_SYNC: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";
/// Enqueues a sync of every account.
pub const ALL_ACCOUNTS_SYNC: &str = "app.tasks.comprehensive_sync_task.sync_all_accounts_comprehensive";
/// The same under the name the replaced system used first.
pub const ALL_ACCOUNTS_SYNC_OLD: &str = "app.tasks.sync_to_redis_task.sync_all_accounts_to_redis";

/// All tasks of ours, in order.
pub const TASKS: [&str; 3] = [ACCOUNT_SYNC, ALL_ACCOUNTS_SYNC, ALL_ACCOUNTS_SYNC_OLD];

/// What a sync job asks for. A job carries names, never state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncJob {
    /// The job's id: also the sync's id and the `message_id` of its notification.
    pub id: String,
    /// The account.
    pub account: Account,
    /// Rebuild from nothing.
    pub force: bool,
    /// Look at the brokerage's book.
    pub check_external: bool,
    /// When it was enqueued, by PostgreSQL's clock.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// When it was replayed from the dead letters, by PostgreSQL's clock.
    pub replayed_at: Option<DateTime<Utc>>,
    /// When it is no longer worth running.
    pub expires: Option<DateTime<Utc>>,
    /// How often it was retried.
    pub retries: u32,
    /// Whether somebody waits for a Celery result.
    pub wants_result: bool,
}

impl SyncJob {
    /// Reads the arguments `(organization_id, pseudo_account, force_position_regeneration=false,
    /// check_external_orders=true)`, positional or by name.
    ///
    /// # Errors
    /// Text in the manner of Python's `TypeError`.
    pub fn from_task(task: &TaskMessage) -> Result<Self, String> {
        let names =
            ["organization_id", "pseudo_account", "force_position_regeneration", "check_external_orders"];
        let arguments = celery::bind(task, &names).map_err(|error| error.to_string())?;
        Ok(Self {
            id: task.id.clone(),
            account: Account::new(text(&arguments, "organization_id")?, text(&arguments, "pseudo_account")?),
            force: flag(&arguments, "force_position_regeneration", false)?,
            check_external: flag(&arguments, "check_external_orders", true)?,
            enqueued_at: task.enqueued_at,
            replayed_at: task.replayed_at,
            expires: task.expires,
            retries: task.retries,
            wants_result: task.ignore_result != Some(true),
        })
    }
}

/// Longest name of an account or organization: names are keys of indexes, headers and Redis.
const NAME_BYTES_MAX: usize = 1000;

fn text(arguments: &Map<String, Value>, name: &str) -> Result<String, String> {
    match arguments.get(name) {
        Some(Value::String(text)) if text.is_empty() => Err(format!("{name} must not be empty")),
        Some(Value::String(text)) if text.contains('\0') => Err(format!("{name} must not contain NUL")),
        Some(Value::String(text)) if text.len() > NAME_BYTES_MAX => {
            Err(format!("{name} must not be longer than {NAME_BYTES_MAX} bytes"))
        }
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("{name} must be a string")),
        None => Err(format!("missing required argument: {name}")),
    }
}

fn flag(arguments: &Map<String, Value>, name: &str, default: bool) -> Result<bool, String> {
    match arguments.get(name) {
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::Null) | None => Ok(default),
        Some(_) => Err(format!("{name} must be true or false")),
    }
}

/// The Celery message of a new sync job, which a Python worker accepts as well.
pub fn encode_sync(job: &SyncJob, origin: &str, eta: Option<DateTime<Utc>>) -> celery::Encoded {
    let mut task = NewTask::new(&job.id, ACCOUNT_SYNC, origin);
    task.args = vec![json!(job.account.organization_id), json!(job.account.pseudo_account)];
    task.kwargs.insert("force_position_regeneration".to_owned(), json!(job.force));
    task.kwargs.insert("check_external_orders".to_owned(), json!(job.check_external));
    task.eta = eta;
    task.expires = job.expires;
    task.ignore_result = Some(!job.wants_result);
    task.enqueued_at = job.enqueued_at;
    celery::encode(&task)
}

/// The name of the schedule whose ticks beats publish: the entry of the replaced system's `beat_schedule`, and part of every
/// job id.
pub const SCHEDULE: &str = "comprehensive-sync-all-accounts";

/// A tick's instant as job ids and logs have it.
pub fn firing(tick_at: DateTime<Utc>) -> String {
    tick_at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The namespace of job ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0c_2f5e_41d7_4a39_9a51_70b6_84b0_e1d3);

/// The id of an account's job in one firing of a schedule: the same whoever publishes it, and however often.
pub fn job_id(schedule: &str, firing: &str, account: &Account) -> String {
    let name = [schedule, firing, &account.organization_id, &account.pseudo_account].join("\u{0}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(args: Value, kwargs: Value) -> TaskMessage {
        let (Value::Array(args), Value::Object(kwargs)) = (args, kwargs) else { panic!() };
        let mut new = NewTask::new("id-1", ACCOUNT_SYNC, "test");
        (new.args, new.kwargs) = (args, kwargs);
        let encoded = celery::encode(&new);
        celery::decode(&celery::Envelope {
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            correlation_id: None,
            headers: &encoded.headers,
            body: &encoded.body,
        })
        .unwrap()
    }

    #[test]
    fn arguments_come_by_position_or_by_name() {
        for task in [
            task(json!(["org", "Raghu", true]), json!({})),
            task(
                json!([]),
                json!({"organization_id": "org", "pseudo_account": "Raghu",
                                   "force_position_regeneration": true}),
            ),
            task(json!(["org"]), json!({"pseudo_account": "Raghu", "force_position_regeneration": true})),
        ] {
            let job = SyncJob::from_task(&task).unwrap();
            assert_eq!(job.account, Account::new("org", "Raghu"));
            assert!(job.force && job.check_external);
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (args, kwargs, word) in [
            (json!(["org"]), json!({}), "pseudo_account"),
            (json!(["org", 5]), json!({}), "pseudo_account"),
            (json!(["org", "a", "yes"]), json!({}), "force_position_regeneration"),
            (json!(["org", "a", true, true, 5]), json!({}), "argument"),
            (json!(["org", "a"]), json!({"colour": 1}), "colour"),
            (json!(["org", ""]), json!({}), "pseudo_account"),
        ] {
            let error = SyncJob::from_task(&task(args, kwargs)).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_job_survives_encoding() {
        let job = SyncJob {
            id: "id-1".into(),
            account: Account::new("org", "a.b #*% \"ü\""),
            force: true,
            check_external: false,
            enqueued_at: Some(DateTime::UNIX_EPOCH),
            replayed_at: None,
            expires: Some(DateTime::UNIX_EPOCH),
            retries: 0,
            wants_result: false,
        };
        let encoded = encode_sync(&job, "test", None);
        let envelope = celery::Envelope {
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            correlation_id: None,
            headers: &encoded.headers,
            body: &encoded.body,
        };
        assert_eq!(SyncJob::from_task(&celery::decode(&envelope).unwrap()).unwrap(), job);
    }

    #[test]
    fn job_ids_are_stable_and_differ_by_every_part() {
        let account = Account::new("org", "a");
        assert_eq!(job_id("s", "t", &account), job_id("s", "t", &account));
        let others = [
            job_id("s2", "t", &account),
            job_id("s", "t2", &account),
            job_id("s", "t", &Account::new("org2", "a")),
            job_id("s", "t", &Account::new("org", "b")),
        ];
        assert!(others.iter().all(|id| *id != job_id("s", "t", &account)));
    }
}
