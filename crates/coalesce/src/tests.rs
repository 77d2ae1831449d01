use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::{Coalescer, TOGETHER_MAX};

/// Answers with the request and how many came with it, once it may.
fn held(may: &Arc<Notify>) -> Coalescer<usize, (usize, usize)> {
    let may = Arc::clone(may);
    Coalescer::new(move |requests: Vec<usize>| {
        let may = Arc::clone(&may);
        async move {
            may.notified().await;
            let together = requests.len();
            requests.into_iter().map(|request| (request, together)).collect()
        }
    })
}

/// Until `coalescer` has handed over what waited.
async fn handed_over<R, A>(coalescer: &Coalescer<R, A>) {
    while !coalescer.shared.waiting.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Asks for one that nobody else comes with; returns when it is being answered.
async fn alone<R: Send + 'static, A: Send + 'static>(
    coalescer: &Coalescer<R, A>,
    request: R,
) -> JoinHandle<Option<A>> {
    let asking = coalescer.clone();
    let asked = tokio::spawn(async move { asking.ask(request).await });
    while coalescer.shared.turn.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    handed_over(coalescer).await;
    asked
}

#[tokio::test]
async fn one_that_comes_alone_is_answered_alone_and_those_that_wait_meanwhile_together() {
    let may = Arc::new(Notify::new());
    let coalescer = held(&may);
    let alone = alone(&coalescer, 0).await;
    let mut others = JoinSet::new();
    for request in 1..=5 {
        let coalescer = coalescer.clone();
        others.spawn(async move { coalescer.ask(request).await });
    }
    while coalescer.shared.waiting.lock().unwrap().len() < 5 {
        tokio::task::yield_now().await;
    }
    may.notify_one();
    assert_eq!(alone.await.unwrap(), Some((0, 1)));
    may.notify_one();
    let mut answers = others.join_all().await;
    answers.sort_unstable();
    assert_eq!(answers, (1..=5).map(|request| Some((request, 5))).collect::<Vec<_>>(), "each its own");
}

#[tokio::test]
async fn no_more_are_answered_at_once_than_may_be() {
    let coalescer = Coalescer::new(async |requests: Vec<usize>| {
        let together = requests.len();
        requests.into_iter().map(|request| (request, together)).collect()
    });
    let mut asked = JoinSet::new();
    for request in 0..3 * TOGETHER_MAX {
        let coalescer = coalescer.clone();
        asked.spawn(async move { coalescer.ask(request).await });
    }
    let answers: Vec<(usize, usize)> = asked.join_all().await.into_iter().flatten().collect();
    assert_eq!(answers.len(), 3 * TOGETHER_MAX);
    assert!(answers.iter().all(|(_, together)| *together <= TOGETHER_MAX));
    assert!(answers.iter().any(|(_, together)| *together > 1), "none came together");
}

#[tokio::test]
async fn after_a_panic_those_it_hit_get_no_answer_and_the_next_do() {
    let coalescer = Coalescer::new(async |requests: Vec<i32>| {
        assert!(requests.iter().all(|request| *request >= 0), "negative");
        requests
    });
    assert_eq!(coalescer.ask(-1).await, None);
    assert_eq!(coalescer.ask(1).await, Some(1));
}

#[tokio::test]
async fn who_stops_waiting_takes_nobody_along_and_is_not_asked_for_when_it_was_not_yet() {
    let may = Arc::new(Notify::new());
    let coalescer = held(&may);
    let ask = |request: usize| {
        let coalescer = coalescer.clone();
        tokio::spawn(async move { coalescer.ask(request).await })
    };
    let first = [ask(0), ask(1)];
    while coalescer.shared.turn.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    handed_over(&coalescer).await;
    let second = [ask(2), ask(3)];
    while coalescer.shared.waiting.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    first[0].abort();
    second[0].abort();
    let ([_, first], [gone, second]) = (first, second);
    assert!(gone.await.unwrap_err().is_cancelled());
    may.notify_one();
    assert_eq!(first.await.unwrap(), Some((1, 2)));
    may.notify_one();
    assert_eq!(second.await.unwrap(), Some((3, 1)));
}

#[tokio::test]
async fn an_answer_that_does_not_come_keeps_the_others_waiting_for_a_second_only() {
    let coalescer = Coalescer::new(async |requests: Vec<i32>| {
        if requests.contains(&0) {
            std::future::pending::<()>().await;
        }
        requests
    });
    let silent = alone(&coalescer, 0).await;
    let asked = std::time::Instant::now();
    assert_eq!(coalescer.ask(1).await, Some(1));
    assert!(asked.elapsed() > super::TURN / 2, "it came after the other one");
    assert!(!silent.is_finished());
    silent.abort();
}

#[tokio::test]
async fn an_error_is_the_answer_to_all_it_was_given_and_to_nobody_else() {
    let coalescer = Coalescer::fallible(
        async |requests: Vec<i32>| {
            if requests.contains(&0) { Err("nought") } else { Ok(requests) }
        },
    );
    assert_eq!(tokio::join!(coalescer.ask(0), coalescer.ask(1)), (Some(Err("nought")), Some(Err("nought"))));
    assert_eq!(coalescer.ask(1).await, Some(Ok(1)));
}
