//! How long a tick takes to find every account, on a database that is there, as `cargo xtask bench` calls it:
//! `discovery DATABASE_URL`. Prints seconds and accounts as JSON.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::time::Instant;

use storage::{AccountScan, Storage};
use tls::Certificates;

/// As a tick asks for them.
const PAGE: usize = 500;

#[tokio::main]
async fn main() {
    // Cargo adds words of its own, such as `--bench`.
    let url = std::env::args().skip(1).find(|word| !word.starts_with("--")).expect("a URL of PostgreSQL");
    let storage = Storage::new(&url, &Certificates::default(), 2, "bench", "default").expect("settings");
    // Connects, and has the statement prepared.
    AccountScan::new().next_page(&storage, 1).await.expect("a page");
    let begun = Instant::now();
    let (mut scan, mut accounts) = (AccountScan::new(), 0);
    loop {
        let page = scan.next_page(&storage, PAGE).await.expect("a page");
        if page.is_empty() {
            break;
        }
        accounts += page.len();
    }
    println!("{{\"seconds\": {}, \"accounts\": {accounts}}}", begun.elapsed().as_secs_f64());
}
