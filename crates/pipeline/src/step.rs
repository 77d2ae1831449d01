//! Steps of a job in its trace: each has a span, a child of that of the delivery.

use std::pin::Pin;

use tracing::{Instrument as _, Span};

use crate::sync::LeaseLost;

/// The span of a step. Its target makes it part of a trace, and of no log.
macro_rules! span {
    ($name:literal) => {
        tracing::info_span!(
            target: "otel", $name,
            otel.status_description = tracing::field::Empty, syncfleet.outcome = tracing::field::Empty,
        )
    };
}

pub(crate) use span;

/// What a trace says of a step: a word, or the error that made it fail.
pub(crate) type Told = Result<&'static str, String>;

/// Runs a step under its span; `told`, which is asked only where there is a trace, says what came of it.
///
/// The step is in a box: most take 10 kB and more, and of those that are not under way a job should hold none.
pub(crate) async fn run<T>(
    span: Span,
    step: Pin<Box<impl Future<Output = T>>>,
    told: impl FnOnce(&T) -> Told,
) -> T {
    let ended = step.instrument(span.clone()).await;
    if !span.is_disabled() {
        match told(&ended) {
            Ok(word) => span.record("syncfleet.outcome", word),
            Err(error) => span.record("otel.status_description", error.as_str()),
        };
    }
    ended
}

/// What a step tells that ends with its run when the account is another run's.
pub(crate) fn told<T>(ended: &Result<T, LeaseLost>, of: impl FnOnce(&T) -> Told) -> Told {
    match ended {
        Ok(ended) => of(ended),
        Err(LeaseLost) => Err("the lease is lost, another run has the account".to_owned()),
    }
}
