use std::time::Duration;

use fastrand::Rng;
use queue::Event;

use crate::run::{HOLD, Run, Step};
use crate::world::World;

/// What may happen.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Enqueue,
    Deliver,
    Steps,
    Kill,
    Stop,
    GoOn,
    Expire,
    Disconnect,
    Drain,
    Fail,
    Wait,
    Renew,
    Abandon,
}

/// How often it happens in some world or other: what is usual, and what may come on top.
const HAPPENINGS: [(Happening, u32, u32); 13] = [
    (Happening::Enqueue, 3, 4),
    (Happening::Deliver, 15, 15),
    (Happening::Steps, 40, 30),
    (Happening::Kill, 0, 7),
    (Happening::Stop, 0, 4),
    (Happening::GoOn, 2, 3),
    (Happening::Expire, 1, 4),
    (Happening::Disconnect, 0, 5),
    (Happening::Drain, 0, 4),
    (Happening::Fail, 0, 20),
    (Happening::Wait, 0, 2),
    (Happening::Renew, 1, 3),
    (Happening::Abandon, 0, 3),
];

/// A world's own temper: in some everybody dies, in some nothing but failures happens.
pub(crate) struct Temper {
    weights: Vec<u32>,
    jobs: usize,
    /// Whether it is one job that most of it happens to.
    cursed: bool,
}

impl Temper {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let weights = HAPPENINGS.iter().map(|(_, usual, more)| usual + rng.u32(0..=*more)).collect();
        Self { weights, jobs: rng.usize(2..=8), cursed: rng.bool() }
    }

    fn draw(&self, rng: &mut Rng) -> Happening {
        let mut left = rng.u32(0..self.weights.iter().sum());
        let mut drawn = Happening::Steps;
        for (weight, (happening, ..)) in self.weights.iter().zip(HAPPENINGS) {
            drawn = happening;
            if left < *weight {
                break;
            }
            left -= weight;
        }
        drawn
    }
}

impl World {
    /// One random event; most often somebody takes a step.
    pub(crate) async fn happen(&mut self, overlapping: bool) {
        self.now += self.rng.u64(0..700);
        let worker = self.rng.usize(0..self.workers.len());
        match self.temper.draw(&mut self.rng) {
            Happening::Enqueue if self.jobs.len() < self.temper.jobs => self.enqueue().await,
            Happening::Enqueue | Happening::Deliver => {
                self.deliver();
            }
            Happening::Steps => {
                let able = self.runs.iter().filter(|(_, run)| !self.workers[run.worker].stopped);
                let able: Vec<u64> = able.map(|(number, _)| *number).collect();
                let count = if overlapping { self.rng.usize(1..5) } else { 1 };
                let chosen = self.rng.choose_multiple(able, count);
                self.notice_losses(&chosen);
                self.turn(&chosen).await;
            }
            Happening::Kill => {
                let at_work = self.any_running().and_then(|number| self.runs.get(&number));
                self.kill(at_work.map_or(worker, |run| run.worker));
            }
            Happening::Stop => {
                let at_work = self.any_running().and_then(|number| self.runs.get(&number));
                let worker = at_work.map_or(worker, |run| run.worker);
                self.say(format!("{} stops", self.workers[worker].name));
                self.workers[worker].stopped = true;
            }
            Happening::GoOn => {
                self.say(format!("{} goes on", self.workers[worker].name));
                self.workers[worker].stopped = false;
            }
            Happening::Expire => self.expire_leases(worker).await,
            Happening::Disconnect => {
                self.say(format!("{} loses its connection", self.workers[worker].name));
                self.end_session(worker);
            }
            Happening::Drain => self.drain(worker),
            Happening::Fail => self.fail(),
            Happening::Wait => self.wait(),
            Happening::Renew => self.renew().await,
            Happening::Abandon => self.abandon(),
        }
    }

    /// A run of a lost session goes on for a while, until its worker knows and cancels it.
    fn notice_losses(&mut self, numbers: &[u64]) {
        for number in numbers {
            let Some(run) = self.runs.get(number).filter(|run| self.is_lost(run)).cloned() else { continue };
            if self.rng.bool() {
                continue;
            }
            self.say(format!("r{number} is cancelled: its session is lost"));
            self.cancel(*number, run);
        }
    }

    fn cancel(&mut self, number: u64, mut run: Run) {
        if run.is_running() {
            run.step = Step::Release(Event::Interrupted);
            self.runs.insert(number, run);
        } else if !matches!(run.step, Step::Release(_)) {
            self.runs.remove(&number);
        }
    }

    /// SIGKILL; a new process takes its place.
    fn kill(&mut self, worker: usize) {
        let name = format!("w{}", self.number());
        self.say(format!("{} is killed, {name} takes its place", self.workers[worker].name));
        self.end_session(worker);
        let runs: Vec<u64> =
            self.runs.iter().filter(|(_, run)| run.worker == worker).map(|(number, _)| *number).collect();
        for number in runs {
            if let Some(lease) = self.runs.remove(&number).and_then(|run| run.lease) {
                self.records.edit(&lease, |taken| taken.killed = true);
            }
        }
        self.workers[worker].name = name;
        self.workers[worker].stopped = false;
    }

    /// The leases of the dead, and of this one if it is stopped, are not renewed for so long that they expire.
    async fn expire_leases(&mut self, worker: usize) {
        let stopped = self.workers[worker].stopped;
        let of_stopped = self.runs.values().filter(|run| stopped && run.worker == worker);
        let mut leases: Vec<_> = of_stopped.filter_map(|run| run.lease.as_ref()).cloned().collect();
        let left_open = self.records.taken.iter().filter(|taken| taken.killed || taken.abandoned);
        leases.extend(left_open.map(|taken| taken.lease.clone()));
        for lease in leases {
            // Renewed for no time at all: the statement does nothing to a lease that is no longer this one.
            if self.storage.renew_lease(&lease, Duration::ZERO).await.is_ok() {
                self.say(format!("the lease {} of {} expires", lease.fence, lease.account.pseudo_account));
                self.records.edit(&lease, |taken| (taken.suspected, taken.expired) = (true, true));
            }
        }
    }

    /// The grace of a shutdown is over: its runs are cut short and given back.
    fn drain(&mut self, worker: usize) {
        if self.workers[worker].stopped {
            return;
        }
        self.say(format!("{} drains", self.workers[worker].name));
        let lost: Vec<_> = self.runs.iter().map(|(number, run)| (*number, self.is_lost(run))).collect();
        for (number, lost) in lost {
            let Some(run) = self.runs.get_mut(&number).filter(|run| run.worker == worker && !lost) else {
                continue;
            };
            if run.is_running() {
                run.step = Step::Release(Event::Interrupted);
            } else if matches!(run.step, Step::Ask) {
                run.step = Step::Dispose(Event::Interrupted);
            }
        }
    }

    fn any_running(&mut self) -> Option<u64> {
        let able = self.runs.iter().filter(|(_, run)| run.is_running() && !self.workers[run.worker].stopped);
        let able: Vec<(u64, usize)> = able.map(|(number, run)| (*number, run.job.number)).collect();
        let cursed = able.iter().find(|(_, job)| self.temper.cursed && *job == 0);
        cursed.copied().or_else(|| self.rng.choice(able)).map(|(number, _)| number)
    }

    /// A dependency is away, or a step fails.
    fn fail(&mut self) {
        if let Some(number) = self.any_running()
            && let Some(run) = self.runs.get_mut(&number)
        {
            run.step = Step::Release(Event::Failed { error: "boom".to_owned(), retry_after: None });
            self.say(format!("r{number} fails"));
        }
    }

    /// A rate limit has no room.
    fn wait(&mut self) {
        if let Some(number) = self.any_running()
            && let Some(run) = self.runs.get_mut(&number).filter(|run| matches!(run.step, Step::Work { .. }))
        {
            run.step = Step::Release(Event::Waiting { delay: Duration::from_secs(2), why: "rate_limit" });
            self.say(format!("r{number} is to wait for its turn"));
        }
    }

    /// A worker that lives does not get its lease given back in time: PostgreSQL is away, or the run is dropped.
    fn abandon(&mut self) {
        let releasing = |run: &&mut Run| matches!(run.step, Step::Release(_));
        let Some(run) = self.runs.values_mut().find(releasing) else { return };
        let (Step::Release(event), Some(lease)) = (run.step.clone(), run.lease.take()) else { return };
        run.step = Step::Dispose(event);
        self.records.edit(&lease, |taken| taken.abandoned = true);
        self.say(format!("the lease {} of {} is not given back", lease.fence, lease.account.pseudo_account));
    }

    /// What runs beside the steps: a renewal, which may find that the lease is lost.
    async fn renew(&mut self) {
        let Some(number) = self.any_running() else { return };
        let Some(lease) = self.runs.get(&number).and_then(|run| run.lease.clone()) else { return };
        let kept = self.storage.renew_lease(&lease, HOLD).await.is_ok();
        self.say(format!("r{number} renews its lease: {kept}"));
        if kept {
            self.records.edit(&lease, |taken| taken.expired = false);
        } else if let Some(run) = self.runs.get_mut(&number) {
            run.step = Step::Release(Event::Held);
        }
    }

    /// The stopped go on, the lost are noticed, and what the dead held expires.
    pub(crate) async fn heal(&mut self) {
        for worker in 0..self.workers.len() {
            self.expire_leases(worker).await;
            self.workers[worker].stopped = false;
        }
        let lost = self.runs.iter().filter(|(_, run)| self.is_lost(run));
        let lost: Vec<_> = lost.map(|(number, run)| (*number, run.clone())).collect();
        for (number, run) in lost {
            self.cancel(number, run);
        }
    }
}
