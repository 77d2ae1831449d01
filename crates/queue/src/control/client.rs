use std::collections::BTreeMap;
use std::time::Duration;

use celery::{ANSWER_EXCHANGE, AnswerTo, CONTROL_EXCHANGE};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::session::{acknowledge, consume, declare_exchanges, envelope, header_map, publish};
use crate::QueueError;
use crate::connection::{Link, RabbitUrls};

/// What workers answered, by their names.
pub type Answers = BTreeMap<String, Value>;

/// Asks these workers, or all, and gathers what they answer: until each of these has, or else for as long as `wait`.
///
/// Celery's workers answer as well.
///
/// # Errors
/// When no server answers, or the connection is lost meanwhile.
pub async fn ask_workers(
    urls: &RabbitUrls,
    client: &str,
    method: &str,
    arguments: &Value,
    destination: Option<&[String]>,
    wait: Duration,
) -> Result<Answers, QueueError> {
    let link = Link::connect_any(urls, client).await?;
    let lost =
        |what: String| QueueError::Lost { server: link.server().to_owned(), what: format!("asking: {what}") };
    let channel = link.channel().await?;
    declare_exchanges(&link, &channel).await?;
    let ticket = uuid::Uuid::new_v4().to_string();
    let queue = format!("{ticket}.{ANSWER_EXCHANGE}");
    let mut deliveries = consume(&link, &channel, &queue, ANSWER_EXCHANGE, &ticket).await?;
    let answer_to = AnswerTo { routing_key: ticket.clone(), ticket: ticket.clone() };
    let body = celery::encode_control(method, arguments, destination, Some(&answer_to));
    publish(&link, &channel, (CONTROL_EXCHANGE, ""), &request_headers(), &body).await.map_err(lost)?;
    let deadline = Instant::now() + wait;
    let mut answers = Answers::new();
    let is_complete = |answers: &Answers| {
        destination.is_some_and(|nodes| nodes.iter().all(|node| answers.contains_key(node)))
    };
    while !is_complete(&answers)
        && let Ok(Some(delivery)) = timeout_at(deadline, deliveries.next()).await
    {
        let delivery = delivery.map_err(|error| lost(error.to_string()))?;
        acknowledge(&delivery).await.map_err(lost)?;
        let header_map = header_map(&delivery);
        let is_ours = header_map.get("ticket").and_then(Value::as_str) == Some(ticket.as_str());
        if is_ours && let Ok(nodes) = celery::decode_answer(&envelope(&delivery, &header_map)) {
            answers.extend(nodes);
        }
    }
    link.close().await;
    Ok(answers)
}

/// Tells these workers, or all, without waiting for an answer.
///
/// # Errors
/// When no server answers, or the connection is lost meanwhile.
pub async fn tell_workers(
    urls: &RabbitUrls,
    client: &str,
    method: &str,
    arguments: &Value,
    destination: Option<&[String]>,
) -> Result<(), QueueError> {
    let link = Link::connect_any(urls, client).await?;
    let channel = link.channel().await?;
    declare_exchanges(&link, &channel).await?;
    let body = celery::encode_control(method, arguments, destination, None);
    let told = publish(&link, &channel, (CONTROL_EXCHANGE, ""), &request_headers(), &body).await;
    let server = link.server().to_owned();
    told.map_err(|what| QueueError::Lost { server, what: format!("telling workers: {what}") })?;
    link.close().await;
    Ok(())
}

fn request_headers() -> Map<String, Value> {
    let mut headers = Map::new();
    headers.insert("clock".to_owned(), json!(1));
    headers.insert("expires".to_owned(), json!(0));
    headers
}
