//! The limit of consuming: take, count, and ack many at once. `consume URL COUNT`

use std::time::Instant;

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use peers::{Error, arguments, channel, empty, print_rate, publish};

const QUEUE: &str = "bare";
const PREFETCH: u16 = 256;
/// Deliveries that one ack is for: enough of them are on their way meanwhile.
const BATCH: usize = 64;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (url, count) = arguments()?;
    let (_connection, channel) = channel(&url).await?;
    empty(&channel, QUEUE).await?;
    publish(&channel, QUEUE, count).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let consume =
        channel.basic_consume(QUEUE.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut deliveries = consume.await?;
    let mut begun = None;
    for number in 1..=count {
        let delivery = deliveries.next().await.ok_or("the channel is gone")??;
        begun.get_or_insert_with(Instant::now);
        if number % BATCH == 0 || number == count {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    print_rate(count, begun.ok_or("nothing to consume")?);
    Ok(())
}
