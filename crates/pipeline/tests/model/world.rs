use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use fastrand::Rng;
use ledger::Account;
use storage::Storage;

use crate::chaos::Temper;
use crate::records::Records;
use crate::run::Run;

/// Deaths of its worker that a job may cause.
pub(crate) const CRASH_LIMIT: u32 = 2;
/// Retries of a job.
pub(crate) const RETRIES: u32 = 2;
/// Runs of a worker at once, and its prefetch.
pub(crate) const SLOTS: usize = 2;

/// What was enqueued.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) id: String,
    pub(crate) account: Account,
    pub(crate) force: bool,
    pub(crate) check_external: bool,
    pub(crate) enqueued_at: Option<DateTime<Utc>>,
    /// In milliseconds of the world.
    pub(crate) expires: Option<u64>,
}

/// A copy of a job in RabbitMQ.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) job: usize,
    pub(crate) retries: u32,
    pub(crate) renewals: u32,
    /// Not to run before.
    pub(crate) eta: u64,
    /// When its delay step lets go of it.
    pub(crate) ready_at: u64,
    /// What `x-delivery-count` says.
    pub(crate) returns: u32,
    /// The worker that it is unacked with, and in which session.
    pub(crate) holder: Option<(usize, u64)>,
}

/// A process and its connection.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) name: String,
    /// As RabbitMQ knows it: a run of an older one is lost, even if its worker does not know yet.
    pub(crate) session: u64,
    /// By SIGSTOP.
    pub(crate) stopped: bool,
}

/// A fleet, its broker and its clock.
pub(crate) struct World {
    pub(crate) storage: Storage,
    pub(crate) rng: Rng,
    pub(crate) temper: Temper,
    pub(crate) organization: String,
    /// Milliseconds.
    pub(crate) now: u64,
    pub(crate) jobs: Vec<Arc<Job>>,
    pub(crate) messages: BTreeMap<u64, Message>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) runs: BTreeMap<u64, Run>,
    pub(crate) records: Records,
    pub(crate) log: Vec<String>,
    /// The first thing that must not be.
    pub(crate) found: Option<String>,
    numbers: u64,
}

impl World {
    pub(crate) fn new(storage: Storage, seed: u64, overlapping: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let temper = Temper::any(&mut rng);
        let mut world = Self {
            storage,
            rng,
            temper,
            organization: format!("{}{seed}", if overlapping { "overlapping" } else { "seed" }),
            now: 0,
            jobs: Vec::new(),
            messages: BTreeMap::new(),
            workers: Vec::new(),
            runs: BTreeMap::new(),
            records: Records::default(),
            log: Vec::new(),
            found: None,
            numbers: 0,
        };
        for _ in 0..world.rng.usize(2..=3) {
            let name = format!("w{}", world.number());
            world.workers.push(Worker { name, session: 0, stopped: false });
        }
        world
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn say(&mut self, what: String) {
        self.log.push(format!("{:6} {what}", self.now));
    }

    pub(crate) fn violation(&mut self, what: String) {
        self.say(format!("VIOLATION: {what}"));
        self.found.get_or_insert(what);
    }

    /// The world's clock as a worker reads it.
    pub(crate) fn utc(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(i64::try_from(self.now).unwrap()).unwrap()
    }

    /// Enqueues a job; a beat that died in between, or a confirm that was lost, has it published twice.
    pub(crate) async fn enqueue(&mut self) {
        let number = self.jobs.len();
        let account = Account::new(self.organization.clone(), format!("a{}", self.rng.usize(0..2)));
        let enqueued_at = if self.rng.u8(0..4) > 0 { Some(self.storage.now().await.unwrap()) } else { None };
        let job = Job {
            number,
            id: format!("{}-j{number}", self.organization),
            account,
            force: self.rng.u8(0..4) == 0,
            check_external: self.rng.bool(),
            enqueued_at,
            expires: (self.rng.u8(0..6) == 0).then(|| self.now + self.rng.u64(3_000..30_000)),
        };
        let copies = if self.rng.u8(0..3) == 0 { 2 } else { 1 };
        self.say(format!(
            "j{number} of {} is published {copies} times: force {}, check {}, enqueue time {}",
            job.account.pseudo_account,
            job.force,
            job.check_external,
            enqueued_at.is_some()
        ));
        self.jobs.push(Arc::new(job));
        for _ in 0..copies {
            let (retries, renewals, eta, ready_at, returns) = (0, 0, 0, self.now, 0);
            self.publish(Message { job: number, retries, renewals, eta, ready_at, returns, holder: None });
        }
    }

    pub(crate) fn publish(&mut self, message: Message) {
        let tag = self.number();
        self.messages.insert(tag, message);
    }

    /// Gives one message that is ready to a worker with room; whether there was one.
    pub(crate) fn deliver(&mut self) -> bool {
        let ready = self.messages.iter().filter(|(_, m)| m.holder.is_none() && m.ready_at <= self.now);
        let ready: Vec<u64> = ready.map(|(tag, _)| *tag).collect();
        let has_room = |worker: &usize| {
            // Only what RabbitMQ takes for its own counts against the prefetch.
            let held = self.messages.values().filter(|m| m.holder.is_some_and(|(w, _)| w == *worker));
            !self.workers[*worker].stopped && held.count() < SLOTS
        };
        let free: Vec<usize> = (0..self.workers.len()).filter(has_room).collect();
        let (Some(tag), Some(worker)) = (self.rng.choice(ready), self.rng.choice(free)) else { return false };
        let session = self.workers[worker].session;
        let Some(message) = self.messages.get_mut(&tag) else { return false };
        message.holder = Some((worker, session));
        let message = message.clone();
        let number = self.number();
        let what = format!("m{tag} of j{} goes to {}", message.job, self.workers[worker].name);
        self.say(format!("{what} as r{number}{}", if message.returns > 0 { ", redelivered" } else { "" }));
        let run = Run::arrived(self, worker, tag, &message);
        self.runs.insert(number, run);
        true
    }

    /// Acks, if the session it came in is still there.
    pub(crate) fn ack(&mut self, tag: u64, holder: (usize, u64)) {
        if self.messages.get(&tag).is_some_and(|message| message.holder == Some(holder)) {
            self.messages.remove(&tag);
        }
    }

    /// Gives back, if the session it came in is still there.
    pub(crate) fn give_back(&mut self, tag: u64, holder: (usize, u64)) {
        if let Some(message) = self.messages.get_mut(&tag).filter(|message| message.holder == Some(holder)) {
            message.holder = None;
            message.returns += 1;
        }
    }

    /// RabbitMQ takes a worker's connection for dead: all that it holds comes again.
    pub(crate) fn end_session(&mut self, worker: usize) {
        let lost = (worker, self.workers[worker].session);
        let tags: Vec<u64> = self.messages.keys().copied().collect();
        tags.into_iter().for_each(|tag| self.give_back(tag, lost));
        self.workers[worker].session += 1;
        let fences =
            self.runs.values().filter(|run| run.worker == worker).filter_map(|run| run.lease.as_ref());
        let leases: Vec<_> = fences.cloned().collect();
        leases.iter().for_each(|lease| self.records.edit(lease, |taken| taken.suspected = true));
    }
}
