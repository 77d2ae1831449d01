use std::time::Duration;

use queue::{QueueDepth, queue_depths};
use serde_json::{Value, json};
use service::exit;
use url::Url;

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

/// How long the management API may take.
const MANAGEMENT_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Depths and consumers of the work queues, the dead letters and the delay steps
    Status,
}

pub(crate) async fn run(Command::Status: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let depths = queue_depths(&servers.rabbit_urls()?, &servers.client).await?;
    let told = match &servers.management_url {
        Some(url) => ask_management(url.expose(), servers).await.unwrap_or_else(|error| {
            output::complain(&format!("the management API did not answer, so less is known: {error}"));
            Vec::new()
        }),
        None => Vec::new(),
    };
    let rows: Vec<Value> = depths.iter().map(|depth| row(depth, &told)).collect();
    if json {
        output::document(&Value::Array(rows));
        return Ok(exit::DONE);
    }
    let columns = ["name", "ready", "unacked", "consumers", "oldest_seconds"];
    let cells =
        rows.iter().map(|row| columns.iter().map(|name| output::cell(&row[*name])).collect()).collect();
    output::table(&["queue", "ready", "unacked", "consumers", "oldest (s)"], &[1, 2, 3, 4], cells);
    Ok(exit::DONE)
}

/// What AMQP says, and what only the management API can say; `null` where nobody does.
fn row(depth: &QueueDepth, told: &[Value]) -> Value {
    let more = told.iter().find(|queue| queue["name"] == depth.name.as_str());
    let unacked = more.map_or(Value::Null, |queue| queue["messages_unacknowledged"].clone());
    json!({"name": depth.name, "ready": depth.ready, "unacked": unacked, "consumers": depth.consumers,
           "oldest_seconds": null})
}

async fn ask_management(base: &str, servers: &Servers) -> Result<Vec<Value>, String> {
    let mut url = Url::parse(base).map_err(|error| error.to_string())?;
    let (user, password) = match (url.username(), url.password()) {
        ("", _) => credentials_of(servers),
        (user, password) => (user.to_owned(), password.unwrap_or_default().to_owned()),
    };
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| "not an HTTP URL".to_owned())?;
    {
        let mut path = url.path_segments_mut().map_err(|()| "not an HTTP URL".to_owned())?;
        path.pop_if_empty().extend(["api", "queues", &vhost_of(servers)]);
    }
    url.set_query(Some("columns=name,messages_unacknowledged"));
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(servers.certificates.client_config()?)
        .build()
        .map_err(|error| pipeline::chain(&error))?;
    let answer = client
        .get(url)
        .basic_auth(user, Some(password))
        .timeout(MANAGEMENT_LIMIT)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|error| pipeline::chain(&error.without_url()))?;
    let text = answer.text().await.map_err(|error| pipeline::chain(&error.without_url()))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// The first RabbitMQ URL; it was parsed before.
fn first_url(servers: &Servers) -> Option<Url> {
    Url::parse(servers.settings.rabbitmq_url.expose().split(',').next()?.trim()).ok()
}

fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B").replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn credentials_of(servers: &Servers) -> (String, String) {
    let url = first_url(servers);
    let user = url.as_ref().map_or("", |url| url.username());
    let password = url.as_ref().and_then(|url| url.password()).unwrap_or("guest");
    (decoded(if user.is_empty() { "guest" } else { user }), decoded(password))
}

fn vhost_of(servers: &Servers) -> String {
    let path = first_url(servers).map(|url| url.path().to_owned()).unwrap_or_default();
    match path.strip_prefix('/') {
        None | Some("" | "/") => "/".to_owned(),
        Some(vhost) => decoded(vhost),
    }
}
