//! Against a real RabbitMQ, each test in a vhost of its own.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod canvas;
mod consumer;
mod dead_letters;
mod dispositions;
mod drain;
mod publisher;
mod refusals;
mod support;
mod topology;
