//! What the end-to-end tests stand on: a world of servers for one test, programs started in it, and a look at what
//! they did.

mod amqp;
mod contract;
mod deployment;
mod history;
mod http;
mod python;
mod traces;
mod world;

pub use amqp::{RawMessage, RawPublisher, RawTable, SHORT_STRINGS, long};
pub use contract::{refused, violations};
pub use deployment::Deployment;
pub use history::{Order, fill, jsonl, shared_data};
pub use http::{free_address, get, request};
pub use python::Python;
pub use traces::{Collector, Span};
pub use world::{Answer, World};
