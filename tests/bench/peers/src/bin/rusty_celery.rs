//! Jobs that do nothing, by rusty-celery. It cannot declare a quorum queue, nor wait for confirms: a classic queue, which is
//! less than the others have. `rusty_celery URL COUNT`

#![allow(non_local_definitions, reason = "its macro is older than the lint")]

use celery::prelude::*;
use lapin::options::QueueDeleteOptions;
use peers::{arguments, channel, done, until_done};

const QUEUE: &str = "rusty";

#[celery::task]
fn noop(_organization: String, _account: String) -> TaskResult<()> {
    done();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), peers::Error> {
    let (url, count) = arguments()?;
    let (_connection, channel) = channel(&url).await?;
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
    let app = celery::app!(
        broker = AMQPBroker { url.clone() },
        tasks = [noop],
        task_routes = ["*" => QUEUE],
        prefetch_count = 256,
        acks_late = true,
    )
    .await?;
    for number in 0..count {
        app.send_task(noop::new("org1".to_owned(), format!("acct-{number:06}"))).await?;
    }
    // Not a task of its own: its future may not change threads.
    tokio::select! {
        ended = app.consume_from(&[QUEUE]) => Err(format!("it consumes no more: {ended:?}").into()),
        () = until_done(count) => Ok(()),
    }
}
