//! Jobs that do nothing, by apalis-amqp on a quorum queue. `apalis URL COUNT`

use apalis::prelude::*;
use apalis_amqp::{AmqpBackend, Config};
use peers::{Error, arguments, channel, done, empty, publish, until_done};

const QUEUE: &str = "apalis";
const PREFETCH: u16 = 256;

async fn noop(_job: serde_json::Value) -> Result<(), BoxDynError> {
    done();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (url, count) = arguments()?;
    let (_connection, channel) = channel(&url).await?;
    empty(&channel, QUEUE).await?;
    publish(&channel, QUEUE, count).await?;
    let config = Config::default().queue(QUEUE).prefetch_count(PREFETCH).quorum(true);
    let mut backend = AmqpBackend::<serde_json::Value>::new_from_addr(&url)?.with_config(config);
    // Version 1.0.0 panics if it consumes before it has published: only that opens its channel.
    backend.push(serde_json::Value::Null).await?;
    let worker = WorkerBuilder::new("bench").backend(backend).build(noop);
    tokio::spawn(worker.run());
    until_done(count).await;
    Ok(())
}
