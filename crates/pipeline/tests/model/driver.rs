use std::time::Duration;

use queue::{Disposition, Event, Facts, decide};
use storage::{LeaseAnswer, Storage};

use crate::records::Taken;
use crate::run::{Answer, Run, Step};
use crate::world::{CRASH_LIMIT, Message, RETRIES, World};

/// Events of a world before it is left in peace.
const EVENTS: u32 = 150;
/// Rounds in which everything must have ended then; each takes half a second.
const ROUNDS: u32 = 600;

/// One world from its first event to its end.
pub(crate) async fn play(storage: Storage, seed: u64, overlapping: bool) -> World {
    let mut world = World::new(storage, seed, overlapping);
    for _ in 0..EVENTS {
        world.happen(overlapping).await;
        if world.found.is_some() {
            return world;
        }
    }
    world.say("from here all is well".to_owned());
    world.heal().await;
    for _ in 0..ROUNDS {
        while world.deliver() {}
        let runs: Vec<u64> = world.runs.keys().copied().collect();
        for together in runs.chunks(if overlapping { 3 } else { 1 }) {
            world.turn(together).await;
        }
        world.now += 500;
        if world.runs.is_empty()
            && let Some(ready) = world.messages.values().map(|message| message.ready_at).min()
        {
            world.now = world.now.max(ready);
        }
        if world.found.is_some() || world.messages.is_empty() && world.runs.is_empty() {
            break;
        }
    }
    world.check_end().await;
    world
}

impl World {
    /// Lets these runs do their next step, at the same time.
    pub(crate) async fn turn(&mut self, numbers: &[u64]) {
        self.records.turn += 1;
        let mut calls = Vec::new();
        for number in numbers {
            let Some(run) = self.runs.get(number) else { continue };
            let call = run.call(&self.workers[run.worker].name);
            calls.push((*number, tokio::spawn(call.make(self.storage.clone()))));
        }
        let mut answers = Vec::new();
        for (number, call) in calls {
            answers.push((number, call.await.unwrap()));
        }
        // Who got an account may owe it to what another did in the same turn.
        answers.sort_by_key(|(_, answer)| match answer {
            Answer::Asked(LeaseAnswer::Crashed { .. }) => 1,
            Answer::Asked(_) => 2,
            _ => 0,
        });
        for (number, answer) in answers {
            if let Some(run) = self.runs.remove(&number) {
                self.say(format!("r{number} of j{}: {:?} -> {}", run.job.number, run.step, short(&answer)));
                if let Some(next) = self.step(run, answer) {
                    self.runs.insert(number, next);
                }
            }
        }
        self.check_crashes();
    }

    /// What a step leads to; `None`: the run is over.
    fn step(&mut self, mut run: Run, answer: Answer) -> Option<Run> {
        let holder = (run.worker, run.session);
        run.step = match (run.step.clone(), answer) {
            (Step::Ask, Answer::Asked(answer)) => self.asked(&mut run, answer),
            (Step::Supersede { .. }, _) => {
                self.records.superseded.insert(run.job.number);
                self.records.ended.insert(run.job.number, self.records.turn);
                Step::Dispose(Event::Finished)
            }
            (Step::Work { .. } | Step::Renew | Step::Finish { .. }, Answer::Kept(false)) => {
                self.records.lost_leases += 1;
                Step::Release(Event::Held)
            }
            (Step::Work { left }, _) => {
                self.check_write(&run);
                if left > 1 { Step::Work { left: left - 1 } } else { Step::Renew }
            }
            (Step::Renew, _) => Step::Tell,
            (Step::Tell, _) => {
                self.record(&run, |taken| taken.told = true);
                Step::Finish { partial: self.rng.u8(0..8) == 0 }
            }
            (Step::Finish { partial }, _) => {
                self.check_write(&run);
                let turn = self.records.turn;
                self.record(&run, |taken| (taken.finished, taken.ended) = (Some(!partial), Some(turn)));
                run.lease = None;
                Step::Dispose(Event::Finished)
            }
            (Step::Release(event), _) => {
                let turn = self.records.turn;
                self.record(&run, |taken| (taken.ended, taken.suspected) = (Some(turn), false));
                run.lease = None;
                if self.is_lost(&run) {
                    return None;
                }
                Step::Dispose(event)
            }
            (Step::Dispose(event), _) => self.dispose(&run, &event),
            (Step::Conclude { .. }, Answer::Outcome(Some(_))) => Step::Ack,
            (Step::Conclude { status: "failed", reason }, _) => Step::TellFailure { reason },
            (Step::Conclude { status, reason }, _) => Step::RecordEnd { status, reason },
            (Step::TellFailure { reason }, _) => {
                self.records.failures_told.insert(run.job.number);
                Step::RecordEnd { status: "failed", reason }
            }
            (Step::RecordEnd { reason, .. }, _) => {
                self.records.expired += usize::from(reason == "expired");
                self.records.ended.insert(run.job.number, self.records.turn);
                Step::Ack
            }
            (Step::Ack, _) => {
                self.ack(run.tag, holder);
                return None;
            }
            (Step::GiveBack, _) => {
                self.give_back(run.tag, holder);
                return None;
            }
            (step, answer) => panic!("{step:?} was answered {answer:?}"),
        };
        Some(run)
    }

    fn record(&mut self, run: &Run, change: impl FnOnce(&mut Taken)) {
        if let Some(lease) = &run.lease {
            self.records.edit(lease, change);
        }
    }

    /// Whether RabbitMQ has given its delivery to somebody else by now.
    pub(crate) fn is_lost(&self, run: &Run) -> bool {
        run.session != self.workers[run.worker].session
    }

    fn asked(&mut self, run: &mut Run, answer: LeaseAnswer) -> Step {
        let worker = self.workers[run.worker].name.clone();
        match answer {
            LeaseAnswer::Taken(lease) => {
                self.check_lease(run, &lease);
                self.records.crashes_told.push((run.job.number, lease.crashes));
                self.records.taken.push(Taken {
                    lease: lease.clone(),
                    job: run.job.number,
                    worker,
                    at: self.records.turn,
                    ended: None,
                    killed: false,
                    abandoned: false,
                    suspected: self.is_lost(run),
                    closed: self.records.is_closed_in_turn(run.job.number),
                    expired: false,
                    told: false,
                    finished: None,
                });
                run.suspect = lease.crashes >= 2;
                run.lease = Some(lease);
                let alone = !self.runs.values().any(|other| other.worker == run.worker && other.suspect);
                if run.suspect && !alone {
                    run.suspect = false;
                    let delay = Duration::from_millis(self.rng.u64(1_000..4_000));
                    return Step::Release(Event::Waiting { delay, why: "suspect" });
                }
                Step::Work { left: self.rng.u32(1..4) }
            }
            LeaseAnswer::Crashed { crashes } => {
                self.check_alone(run);
                self.records.close(run.job.number);
                self.records.crashes_told.push((run.job.number, crashes));
                Step::Dispose(Event::Crashed { crashes })
            }
            LeaseAnswer::Held { .. } => Step::Dispose(Event::Held),
            LeaseAnswer::Done => Step::Dispose(Event::Finished),
            LeaseAnswer::Superseded { by } => {
                self.check_superseded(run, &by);
                Step::Supersede { by }
            }
        }
    }

    /// Carries out what is decided, up to the confirm of what is published.
    fn dispose(&mut self, run: &Run, event: &Event) -> Step {
        let facts = Facts {
            retries: run.retries,
            retries_max: RETRIES,
            retry_delay: Duration::from_millis(self.rng.u64(1_000..6_000)),
            hold_delay: Duration::from_secs(1),
            crash_limit: CRASH_LIMIT,
            crash_jitter: 0.5 + self.rng.f64() / 2.0,
            now: self.utc(),
        };
        let (job, retries, renewals) = (run.job.number, run.retries, run.renewals);
        let eta = self.messages.get(&run.tag).map_or(0, |message| message.eta);
        let copy = |delay: Duration, now: u64| Message {
            job,
            retries,
            renewals,
            eta,
            ready_at: now + 1000 * (1 << delay.as_secs().clamp(1, 512).ilog2()),
            returns: 0,
            holder: None,
        };
        let millis = |due: chrono::DateTime<chrono::Utc>| due.timestamp_millis().try_into().unwrap_or(0);
        let copy = match decide(event, &facts) {
            Disposition::Ack => return Step::Ack,
            Disposition::Requeue => return Step::GiveBack,
            Disposition::Expire => {
                return Step::Conclude { status: "expired", reason: "expired".to_owned() };
            }
            Disposition::Revoke { .. } => {
                return Step::Conclude { status: "revoked", reason: "revoked".to_owned() };
            }
            Disposition::FailExpired => {
                return Step::Conclude { status: "failed", reason: "expired".to_owned() };
            }
            Disposition::Dead { reason, .. } => {
                self.check_letter(run, &reason);
                self.records.letters.push((job, reason.clone()));
                return Step::Conclude { status: "failed", reason };
            }
            Disposition::Retry { retries, due, delay, .. } => {
                self.records.failed.insert(job);
                self.check_retry(job, retries);
                Message { retries, eta: millis(due), ..copy(delay, self.now) }
            }
            Disposition::Renew { renewals, delay } => Message { renewals, ..copy(delay, self.now) },
            Disposition::Park { delay, due: Some(due) } => {
                Message { eta: millis(due), ..copy(delay, self.now) }
            }
            Disposition::Park { delay, due: None } => copy(delay, self.now),
        };
        self.publish(copy);
        Step::Ack
    }
}

fn short(answer: &Answer) -> String {
    match answer {
        Answer::Asked(LeaseAnswer::Taken(lease)) => {
            format!("taken with fence {}, {} crashes", lease.fence, lease.crashes)
        }
        Answer::Outcome(outcome) => format!("{:?}", outcome.as_ref().map(|outcome| &outcome.status)),
        other => format!("{other:?}"),
    }
}
