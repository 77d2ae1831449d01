//! The limit of publishing: persistent jobs into a quorum queue, each confirmed. `publish URL COUNT`

use std::time::Instant;

use peers::{Error, arguments, channel, empty, print_rate, publish};

const QUEUE: &str = "bare";

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (url, count) = arguments()?;
    let (_connection, channel) = channel(&url).await?;
    empty(&channel, QUEUE).await?;
    let begun = Instant::now();
    publish(&channel, QUEUE, count).await?;
    print_rate(count, begun);
    Ok(())
}
