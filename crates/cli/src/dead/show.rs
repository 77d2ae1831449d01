use queue::DeadLetter;
use serde_json::{Value, json};
use service::exit;

use super::{look, row};
use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Its id, as `dead list` has it
    id: String,
}

/// Prints all that can be read of one letter.
pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let letters = look(servers).await?;
    let letter = letters.into_iter().find(|letter| letter.id == arguments.id);
    let letter =
        letter.ok_or_else(|| Failure::operation(format!("no dead letter has the id {:?}", arguments.id)))?;
    let document = document(&letter);
    if json {
        output::document(&document);
        return Ok(exit::DONE);
    }
    for (name, value) in document.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("headers", Value::Object(headers)) => {
                output::say("headers:");
                for (name, value) in headers {
                    output::say(&format!("  {name}: {}", output::cell(value)));
                }
            }
            ("body", body) if body.is_object() || body.is_array() => {
                output::say("body:");
                output::document(body);
            }
            _ => {
                output::say(&format!("{name}: {}", output::cell(value)));
            }
        }
    }
    Ok(exit::DONE)
}

fn document(letter: &DeadLetter) -> Value {
    let mut document = row(letter);
    document["queue"] = json!(letter.queue.name());
    document["content_type"] = json!(letter.content_type);
    document["headers"] = Value::Object(letter.headers.clone());
    document["body"] =
        celery::read_json(&letter.body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&letter.body)));
    document
}
