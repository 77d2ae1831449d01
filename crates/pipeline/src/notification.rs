use std::time::Duration;

use queue::{Destination, Message, PublishError};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use storage::UnannouncedOrder;

use crate::report::rfc3339;
use crate::sync::Pipeline;
use crate::{Report, SyncJob};

/// How long a run waits for the confirm of its notification, unless RabbitMQ says that it takes nothing for now.
const PUBLISH_LIMIT: Duration = Duration::from_secs(30);
/// An AMQP routing key has 255 bytes; prefix and suffix of ours need less than 40.
const NAME_BYTES_MAX: usize = 200;
/// What is kept of a longer name.
const NAME_BYTES_KEPT: usize = 160;

/// `account.<pseudo_account>.<event>`: always three words, whatever the account is called.
///
/// A name that is too long is cut and made unique by a digest of the whole.
pub fn routing_key(pseudo_account: &str, event: &str) -> String {
    let mut name = String::with_capacity(pseudo_account.len());
    for character in pseudo_account.chars() {
        if matches!(character, '.' | '*' | '#' | '%') || character.is_whitespace() {
            let mut buffer = [0; 4];
            name.extend(character.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")));
        } else {
            name.push(character);
        }
    }
    if name.len() > NAME_BYTES_MAX {
        let digest = Sha256::digest(name.as_bytes());
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        name = format!("{}~{digest}", &name[..name.floor_char_boundary(NAME_BYTES_KEPT)]);
    }
    format!("account.{name}.{event}")
}

/// Announces each external order that nobody was told about, then the sync itself, and waits for the confirms.
pub(crate) async fn notify(
    pipeline: &Pipeline,
    report: &Report,
    full_results: &Value,
    external: &[UnannouncedOrder],
) -> Result<(), PublishError> {
    if !pipeline.settings.notifications_enabled {
        return Ok(());
    }
    let mut messages: Vec<Message> = external.iter().map(|order| external_message(report, order)).collect();
    messages.push(completed_message(report, full_results)?);
    pipeline.publisher.publish_patiently(messages, PUBLISH_LIMIT).await
}

/// Tells that a job is given up; `sequence` is that of its last run, if it ever had one.
pub(crate) async fn notify_failure(
    pipeline: &Pipeline,
    job: &SyncJob,
    sequence: Option<i64>,
    notification: &Value,
) -> Result<(), PublishError> {
    if !pipeline.settings.notifications_enabled {
        return Ok(());
    }
    let mut headers = Map::new();
    headers.insert("organization_id".to_owned(), json!(job.account.organization_id));
    if let Some(sequence) = sequence {
        headers.insert("sequence".to_owned(), json!(sequence));
    }
    let body = notification.to_string().into_bytes();
    let message = message(&job.account.pseudo_account, "sync_completed", job.id.clone(), &headers, body);
    pipeline.publisher.publish_patiently(vec![message], PUBLISH_LIMIT).await
}

fn completed_message(report: &Report, full_results: &Value) -> Result<Message, PublishError> {
    let account = &report.account.pseudo_account;
    let body = serde_json::to_vec(&report.notification_of(full_results))
        .map_err(|error| PublishError::Unsendable(error.to_string()))?;
    Ok(message(account, "sync_completed", report.sync_id.clone(), &header_map(report), body))
}

fn external_message(report: &Report, order: &UnannouncedOrder) -> Message {
    let account = &report.account;
    let body = json!({
        "type": "external_order_detected",
        "account": account.pseudo_account,
        "organization_id": account.organization_id,
        "timestamp": rfc3339(report.at),
        "order": order.row,
        "strategy": order.strategy,
    });
    // The same for the same order whichever run announces it, so that a consumer can drop the second.
    let id = crate::job_id("external_order_detected", &order.id.to_string(), account);
    message(
        &account.pseudo_account,
        "external_order_detected",
        id,
        &header_map(report),
        body.to_string().into_bytes(),
    )
}

fn header_map(report: &Report) -> Map<String, Value> {
    let mut headers = Map::new();
    headers.insert("organization_id".to_owned(), json!(report.account.organization_id));
    headers.insert("sequence".to_owned(), json!(report.sequence));
    headers
}

fn message(
    pseudo_account: &str,
    event: &'static str,
    message_id: String,
    headers: &Map<String, Value>,
    body: Vec<u8>,
) -> Message {
    let destination = Destination::Notification { routing_key: routing_key(pseudo_account, event) };
    let mut message = Message::json(destination, message_id, headers, body);
    message.kind = Some(event.to_owned());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_stays_as_it_is() {
        assert_eq!(routing_key("Raghu", "sync_completed"), "account.Raghu.sync_completed");
        assert_eq!(routing_key("Müller\"'", "sync_completed"), "account.Müller\"'.sync_completed");
    }

    #[test]
    fn separators_wildcards_and_blanks_are_encoded() {
        assert_eq!(routing_key("a.b#c*d%e f\u{a0}g", "x"), "account.a%2Eb%23c%2Ad%25e%20f%C2%A0g.x");
    }

    #[test]
    fn every_key_has_three_words_and_fits() {
        for name in ["a".repeat(200), "ü".repeat(200), ".".repeat(200), "a".repeat(201), "日".repeat(120)] {
            let key = routing_key(&name, "external_order_detected");
            assert_eq!(key.split('.').count(), 3, "{key}");
            assert!(key.len() <= 255, "{}", key.len());
        }
    }

    #[test]
    fn long_names_that_differ_only_at_the_end_have_different_keys() {
        let name = "a".repeat(250);
        assert_ne!(routing_key(&format!("{name}1"), "x"), routing_key(&format!("{name}2"), "x"));
        assert_eq!(routing_key(&name, "x").len(), "account.".len() + 160 + 1 + 16 + ".x".len());
    }
}
