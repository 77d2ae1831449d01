//! RabbitMQ's management API: what AMQP does not tell.

use std::time::Duration;

use futures_util::future::try_join_all;
use reqwest::StatusCode;
use serde_json::Value;
use tls::Certificates;
use url::{Host, Url};

use crate::servers::Servers;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The API of the virtual host that `RABBITMQ_URL` names.
pub(crate) struct Management {
    client: reqwest::Client,
    base: Url,
    user: String,
    password: String,
    vhost: String,
}

impl Management {
    /// The API at `RABBITMQ_MANAGEMENT_URL`; `None`: the setting says nothing. Its own user, or else that of `RABBITMQ_URL`.
    ///
    /// # Errors
    /// Text: the setting or the certificates are no good.
    pub(crate) fn new(servers: &Servers) -> Result<Option<Self>, String> {
        let Some(url) = &servers.management_url else { return Ok(None) };
        let mut base = Url::parse(url.expose()).map_err(|error| error.to_string())?;
        let rabbit = first_url(servers);
        let (user, password) = match (base.username(), base.password()) {
            ("", _) => credentials_of(rabbit.as_ref()),
            (user, password) => (decoded(user), decoded(password.unwrap_or_default())),
        };
        (base.set_username("").and_then(|()| base.set_password(None)))
            .map_err(|()| "not an HTTP URL".to_owned())?;
        let client = client(&servers.certificates)?;
        Ok(Some(Self { client, base, user, password, vhost: vhost_of(rabbit.as_ref()) }))
    }

    /// The virtual host.
    pub(crate) fn vhost(&self) -> &str {
        &self.vhost
    }

    /// Whether it is reached on this host's own loopback.
    pub(crate) fn is_local(&self) -> bool {
        match self.base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The queues of these names that there are. Each is asked for by itself, all together: a virtual host that others use as
    /// well may have thousands.
    ///
    /// # Errors
    /// Text without secrets.
    pub(crate) async fn queues(&self, names: &[String], query: Option<&str>) -> Result<Vec<Value>, String> {
        let looks = names.iter().map(async |name| self.look_up(&["queues", &self.vhost, name], query).await);
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// Asks for `/api/…` with these words as the segments of its path.
    ///
    /// # Errors
    /// Text without secrets.
    pub(crate) async fn get(&self, path: &[&str], query: Option<&str>) -> Result<Value, String> {
        self.look_up(path, query).await?.ok_or_else(|| "it knows nothing of that name".to_owned())
    }

    /// `None`: RabbitMQ says that there is no such thing. Whatever else answers says that in other words.
    async fn look_up(&self, path: &[&str], query: Option<&str>) -> Result<Option<Value>, String> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| "not an HTTP URL".to_owned())?
            .pop_if_empty()
            .push("api")
            .extend(path);
        url.set_query(query);
        let answer = (self.client.get(url))
            .basic_auth(&self.user, Some(&self.password))
            .send()
            .await
            .map_err(|error| pipeline::chain(&error.without_url()))?;
        let failed = answer.error_for_status_ref().err();
        let may_be_missing = answer.status() == StatusCode::NOT_FOUND;
        let text = answer.text().await.map_err(|error| pipeline::chain(&error.without_url()))?;
        let told: Result<Value, _> = serde_json::from_str(&text);
        match (failed, told) {
            (None, told) => told.map(Some).map_err(|error| error.to_string()),
            (Some(_), Ok(told)) if may_be_missing && told["error"] == "Object Not Found" => Ok(None),
            (Some(error), _) => Err(pipeline::chain(&error.without_url())),
        }
    }
}

fn client(certificates: &Certificates) -> Result<reqwest::Client, String> {
    (reqwest::Client::builder().tls_backend_preconfigured(certificates.client_config()?))
        .timeout(ANSWER_LIMIT)
        .build()
        .map_err(|error| pipeline::chain(&error))
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

fn credentials_of(url: Option<&Url>) -> (String, String) {
    let user = url.map_or("", |url| url.username());
    let password = url.and_then(|url| url.password()).unwrap_or("guest");
    (decoded(if user.is_empty() { "guest" } else { user }), decoded(password))
}

fn vhost_of(url: Option<&Url>) -> String {
    let path = url.map(|url| url.path().to_owned()).unwrap_or_default();
    match path.strip_prefix('/') {
        None | Some("" | "/") => "/".to_owned(),
        Some(vhost) => decoded(vhost),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What RabbitMQ answers of `periodic`, of a queue that is not there, and of all queues at once: the last is not asked.
    async fn answer(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match path {
                "/api/queues/a%2Fb/periodic?columns=name" => ("200 OK", r#"{"name":"periodic"}"#),
                "/api/queues/a%2Fb/adhoc?columns=name" => {
                    ("404 Not Found", r#"{"error":"Object Not Found","reason":"Not Found"}"#)
                }
                _ => ("404 Not Found", "<html>"),
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }

    #[tokio::test]
    async fn each_queue_is_asked_for_by_itself_and_one_that_is_not_there_is_no_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(answer(listener));
        let (user, password, vhost) = ("u".to_owned(), "p".to_owned(), "a/b".to_owned());
        let client = client(&Certificates::default()).unwrap();
        let management = Management { client, base, user, password, vhost };
        let names = ["periodic", "adhoc"].map(str::to_owned);
        let queues = management.queues(&names, Some("columns=name")).await;
        assert_eq!(queues, Ok(vec![json!({"name": "periodic"})]));
        // Not RabbitMQ's words: the URL leads somewhere else.
        let elsewhere = management.queues(&["nowhere".to_owned()], Some("columns=name")).await;
        assert!(elsewhere.is_err_and(|error| error.contains("404")));
        assert!(management.is_local());
    }
}
