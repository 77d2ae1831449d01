//! A vhost of its own for each test, and a look into its queues.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::http::{Http, segment};
use crate::name::unique;
use crate::{Error, shared};

/// Of the users that are made here; they are reached on 127.0.0.1 only.
const PASSWORD: &str = "testbed";

/// A fresh vhost on the shared RabbitMQ, with a user of its own; deleted with all its queues, and its connections
/// closed, on drop.
///
/// All looks and changes go through the management API. It is not for load: a message costs it milliseconds.
#[derive(Debug)]
pub struct Vhost {
    /// Of the vhost and of its user.
    name: String,
    amqp_host: String,
    management_url: String,
    http: Http,
    /// It was made here, and goes with this value.
    is_own: bool,
}

/// One message as the management API shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// The exchange it came through last; empty for the default one.
    pub exchange: String,
    /// Its routing key.
    pub routing_key: String,
    /// Whether the broker has delivered it before.
    pub redelivered: bool,
    /// AMQP properties such as `message_id`, without the headers.
    pub properties: Value,
    /// The headers; an empty object when there are none.
    pub headers: Value,
    /// The body.
    pub payload: Vec<u8>,
}

impl Vhost {
    /// Creates one, some 10 ms once RabbitMQ runs.
    pub fn create() -> Result<Self, Error> {
        Self::create_on(&shared().rabbitmq_url()?, &shared().rabbitmq_management_url()?)
    }

    /// Creates one on the RabbitMQ of these URLs, whatever vhost the first one names.
    pub fn create_on(amqp_url: &str, management_url: &str) -> Result<Self, Error> {
        let mut vhost = Self::open(&unique(), amqp_url, management_url)?;
        vhost.is_own = true;
        vhost.set_up()?;
        Ok(vhost)
    }

    /// The same vhost through another node of its cluster; it stays when this value goes.
    pub fn open(name: &str, amqp_url: &str, management_url: &str) -> Result<Self, Error> {
        let http = Http::new(management_url)?;
        let (name, amqp_host) = (name.to_owned(), host_of(amqp_url).to_owned());
        Ok(Self { name, amqp_host, management_url: management_url.to_owned(), http, is_own: false })
    }

    /// The user that asks is given all rights in the vhost by RabbitMQ, the vhost's own user by us.
    fn set_up(&self) -> Result<(), Error> {
        let name = &self.name;
        let user = json!({ "password": PASSWORD, "tags": "administrator" });
        let rights = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.http.send("PUT", &format!("/api/vhosts/{name}"), None)?;
        self.http.send("PUT", &format!("/api/users/{name}"), Some(&user))?;
        self.http.send("PUT", &format!("/api/permissions/{name}/{name}"), Some(&rights)).map(drop)
    }

    /// Its name; fit for a URL as it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its AMQP URL, with its own user.
    pub fn url(&self) -> String {
        format!("amqp://{0}:{PASSWORD}@{1}/{0}", self.name, self.amqp_host)
    }

    /// `http://user:password@host:port` of the broker.
    pub fn management_url(&self) -> &str {
        &self.management_url
    }

    /// Any request to the management API: a path such as `/api/overview`; returns the answer's JSON or `Null`.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        self.http.send(method, path, body)
    }

    /// Declares a durable queue with arguments such as `{"x-queue-type": "quorum"}`.
    pub fn declare_queue(&self, queue: &str, arguments: &Value) -> Result<(), Error> {
        let body = json!({ "durable": true, "arguments": arguments });
        self.http.send("PUT", &self.path("queues", queue), Some(&body)).map(drop)
    }

    /// Declares a durable exchange of a type such as `fanout`.
    pub fn declare_exchange(&self, exchange: &str, kind: &str) -> Result<(), Error> {
        let body = json!({ "durable": true, "type": kind });
        self.http.send("PUT", &self.path("exchanges", exchange), Some(&body)).map(drop)
    }

    /// Binds a queue to an exchange.
    pub fn bind(&self, exchange: &str, queue: &str, routing_key: &str) -> Result<(), Error> {
        let path = format!("/api/bindings/{}/e/{}/q/{}", self.name, segment(exchange), segment(queue));
        self.http.send("POST", &path, Some(&json!({ "routing_key": routing_key }))).map(drop)
    }

    /// Deletes a queue with its messages, also under a consumer.
    pub fn delete_queue(&self, queue: &str) -> Result<(), Error> {
        self.http.send("DELETE", &self.path("queues", queue), None).map(drop)
    }

    /// Names of all queues, in order.
    pub fn queues(&self) -> Result<Vec<String>, Error> {
        let queues = self.http.get(&format!("/api/queues/{}?columns=name", self.name))?;
        let mut names: Vec<String> = list(&queues).iter().map(|queue| text(&queue["name"])).collect();
        names.sort();
        Ok(names)
    }

    /// Messages of a queue that are (ready, delivered but not acked); a missing queue is an error.
    ///
    /// Up to half a second old (five on a broker that we did not start): wait for a depth with
    /// [`wait_until`](crate::wait_until), and do not conclude from one look that nothing more comes.
    pub fn queue_depth(&self, queue: &str) -> Result<(u64, u64), Error> {
        // The counters themselves; the statistics of a single queue are samples taken every five seconds.
        let path = format!("/api/queues/{}?disable_stats=true&enable_queue_totals=true", self.name);
        let queues = self.http.get(&path)?;
        let Some(found) = list(&queues).iter().find(|found| found["name"] == queue) else {
            return Err(Error::Unusable(format!("there is no queue {queue} in the vhost {}", self.name)));
        };
        let count = |name: &str| found[name].as_u64().unwrap_or(0);
        Ok((count("messages_ready"), count("messages_unacknowledged")))
    }

    /// Looks at up to `count` ready messages from the head and puts them back, which marks them redelivered and,
    /// on a quorum queue, raises their delivery count.
    pub fn messages(&self, queue: &str, count: usize) -> Result<Vec<Message>, Error> {
        self.take(queue, count, "ack_requeue_true")
    }

    /// Removes up to `count` ready messages from the head and returns them.
    pub fn get(&self, queue: &str, count: usize) -> Result<Vec<Message>, Error> {
        self.take(queue, count, "ack_requeue_false")
    }

    /// Publishes one message; `properties` as in AMQP, with `headers` among them. The exchange `""` is the default
    /// one. Returns whether the message reached a queue.
    ///
    /// The API refuses `null` in headers, which Celery sends; leave such a header out.
    pub fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: &Value,
        payload: &[u8],
    ) -> Result<bool, Error> {
        let exchange = if exchange.is_empty() { "amq.default" } else { exchange };
        let body = json!({
            "properties": properties,
            "routing_key": routing_key,
            "payload": BASE64_STANDARD.encode(payload),
            "payload_encoding": "base64",
        });
        let path = format!("{}/publish", self.path("exchanges", exchange));
        Ok(self.http.send("POST", &path, Some(&body))?["routed"] == true)
    }

    /// Names of the open connections of the vhost's user.
    pub fn connections(&self) -> Result<Vec<String>, Error> {
        let connections = self.http.get(&self.connections_path())?;
        Ok(list(&connections).iter().map(|connection| text(&connection["name"])).collect())
    }

    /// Makes the broker close every connection of the vhost's user; returns how many there were.
    pub fn close_all_connections(&self) -> Result<usize, Error> {
        let count = self.connections()?.len();
        self.http.send("DELETE", &self.connections_path(), None)?;
        Ok(count)
    }

    /// By user, which is why there is one: that list is exact, while those of a vhost and of all connections lack
    /// what was opened in the last five seconds.
    fn connections_path(&self) -> String {
        format!("/api/connections/username/{}", self.name)
    }

    fn take(&self, queue: &str, count: usize, mode: &str) -> Result<Vec<Message>, Error> {
        let body = json!({ "count": count, "ackmode": mode, "encoding": "base64" });
        let found = self.http.send("POST", &format!("{}/get", self.path("queues", queue)), Some(&body))?;
        list(&found).iter().map(message).collect()
    }

    fn path(&self, what: &str, name: &str) -> String {
        format!("/api/{what}/{}/{}", self.name, segment(name))
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        if !self.is_own {
            return;
        }
        // The broker may have been stopped by the test; then its data go anyway.
        let _ = self.http.send("DELETE", &format!("/api/users/{}", self.name), None);
        let _ = self.http.send("DELETE", &format!("/api/vhosts/{}", self.name), None);
    }
}

fn host_of(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (_, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

fn message(found: &Value) -> Result<Message, Error> {
    let payload = BASE64_STANDARD
        .decode(text(&found["payload"]))
        .map_err(|error| Error::Unusable(format!("RabbitMQ shows a payload that is not base64: {error}")))?;
    // No properties at all are shown as an empty list.
    let mut properties = match &found["properties"] {
        Value::Object(properties) => properties.clone(),
        _ => serde_json::Map::new(),
    };
    let headers = properties.remove("headers").unwrap_or_else(|| json!({}));
    Ok(Message {
        exchange: text(&found["exchange"]),
        routing_key: text(&found["routing_key"]),
        redelivered: found["redelivered"] == true,
        properties: Value::Object(properties),
        headers,
        payload,
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
