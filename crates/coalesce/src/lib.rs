//! Requests that wait at the same time, answered by one round trip: what a database calls group commit.

#![warn(missing_docs)]

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Requests that are answered at once, at most: enough to hide a round trip, few enough that none waits long for the others.
const TOGETHER_MAX: usize = 128;

/// How long those behind wait for an answer before they are asked for beside it: its connection may lead nowhere.
const TURN: Duration = Duration::from_secs(1);

/// Answers requests, in their order and as many.
type Answering<R, A> = Box<dyn Fn(Vec<R>) -> Pin<Box<dyn Future<Output = Vec<A>> + Send>> + Send + Sync>;

/// Asks one server for many callers. While it answers some of them the others gather, and are answered together next: the
/// busier it is the less each costs, and one that comes alone waits for nobody. An answer that takes longer than a second keeps
/// the others waiting no more.
///
/// Clones gather together.
pub struct Coalescer<R, A> {
    shared: Arc<Shared<R, A>>,
}

struct Shared<R, A> {
    waiting: Mutex<Vec<Waiting<R, A>>>,
    turn: Semaphore,
    answering: Answering<R, A>,
}

type Waiting<R, A> = (R, oneshot::Sender<A>);

impl<R: Send + 'static, A: Send + 'static> Coalescer<R, A> {
    /// Asks by `answering`, which returns as many answers as it is given requests, in their order.
    pub fn new<F>(answering: impl Fn(Vec<R>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let answering: Answering<R, A> = Box::new(move |requests| Box::pin(answering(requests)));
        Self { shared: Arc::new(Shared { waiting: Mutex::default(), turn: Semaphore::new(1), answering }) }
    }

    /// The answer to a request; `None` when it got none, as when answering panicked. Dropped before its turn it is not asked for;
    /// later it is, and nobody hears of the answer.
    pub async fn ask(&self, request: R) -> Option<A> {
        let (answer, answered) = oneshot::channel();
        let is_first = {
            let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((request, answer));
            waiting.len() == 1
        };
        if is_first {
            tokio::spawn(answer_all(Arc::clone(&self.shared)));
        }
        answered.await.ok()
    }
}

impl<R: Send + 'static, A: Send + 'static, E: Clone + Send + 'static> Coalescer<R, Result<A, E>> {
    /// Asks by `asking`, as [`Self::new`]; its error is the answer to all that it was given.
    pub fn fallible<F>(asking: impl Fn(Vec<R>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<A>, E>> + Send + 'static,
    {
        Self::new(move |requests: Vec<R>| {
            let count = requests.len();
            let asked = asking(requests);
            async move {
                match asked.await {
                    Ok(answers) => answers.into_iter().map(Ok).collect(),
                    Err(error) => std::iter::repeat_n(error, count).map(Err).collect(),
                }
            }
        })
    }
}

/// Answers all that wait when its turn comes. Who finds nobody waiting begins it, so there is always one for those who wait.
async fn answer_all<R, A>(shared: Arc<Shared<R, A>>) {
    // The semaphore is never closed.
    let Ok(turn) = shared.turn.acquire().await else { return };
    let mut turn = Some(turn);
    // Those that became ready at the same moment come along.
    tokio::task::yield_now().await;
    let all = std::mem::take(&mut *shared.waiting.lock().unwrap_or_else(PoisonError::into_inner));
    let mut all = all.into_iter().filter(|(_, to)| !to.is_closed());
    loop {
        let (requests, answers): (Vec<R>, Vec<oneshot::Sender<A>>) = all.by_ref().take(TOGETHER_MAX).unzip();
        if requests.is_empty() {
            return;
        }
        let mut answering = pin!((shared.answering)(requests));
        let answered = match timeout(TURN, &mut answering).await {
            Ok(answered) => answered,
            Err(_) => {
                drop(turn.take());
                answering.await
            }
        };
        for (to, answer) in answers.into_iter().zip(answered) {
            // Who asked may be gone.
            drop(to.send(answer));
        }
    }
}

impl<R, A> Clone for Coalescer<R, A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<R, A> std::fmt::Debug for Coalescer<R, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coalescer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
