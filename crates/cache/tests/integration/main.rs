//! Against real servers, started privately by each test.

mod additions;
mod allowance;
mod breaker;
mod cluster;
mod outage;
mod refusal;
mod results;
mod snapshots;
mod support;
