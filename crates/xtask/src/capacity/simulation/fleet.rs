use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::bank::Bank;
use super::job::{Arrivals, Job, State};
use super::outcome::{Outcome, quantile};
use super::scenario::{Death, Scenario, Service};
use crate::random::Random;

/// Runs a scenario until each of its jobs has ended.
pub(crate) fn simulate(scenario: &Scenario) -> Outcome {
    let mut fleet = Fleet::new(scenario);
    if let Some(death) = scenario.death {
        fleet.at(death.at, Event::Death(death));
    }
    let mut arrivals = Arrivals::new(scenario);
    let mut coming = arrivals.next();
    loop {
        let next = fleet.events.peek().map(|Reverse((at, ..))| *at);
        // What is due goes before what is published at the same instant: its slot is free for that.
        match (next, coming) {
            (Some(at), Some(job)) if job.enqueued < at => {
                fleet.arrive(job);
                coming = arrivals.next();
            }
            (None, Some(job)) => {
                fleet.arrive(job);
                coming = arrivals.next();
            }
            (Some(_), _) => fleet.happen(),
            (None, None) => return fleet.outcome(),
        }
    }
}

/// Who of a job's chances is drawn for.
#[derive(Debug, Clone, Copy)]
enum Draw {
    News,
    Looks,
    Look,
    Failure(u8),
    Jitter(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The brokerage has answered the run of that number of a job.
    Looked(u32, u32),
    /// A core of its worker is done with it.
    Worked(u32, u32),
    /// PostgreSQL is done with it, and it is told.
    Stored(u32, u32),
    /// It is in the queue again, behind all others.
    Back(u32),
    /// Jobs of a dead worker are in the queue again, before all others.
    Returned,
    Death(Death),
    Restart,
}

struct Fleet<'a> {
    scenario: &'a Scenario,
    /// When, the how manyeth, and what: events of one instant happen in the order in which they were foreseen.
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    foreseen: u64,
    jobs: Vec<Job>,
    queue: VecDeque<u32>,
    /// Workers, each once for every free slot.
    free: VecDeque<u32>,
    /// Of a dead worker.
    orphans: Vec<u32>,
    cores: Vec<Bank>,
    postgres: Bank,
    slots_busy: u64,
    /// Of the banks of workers that died.
    worked: u64,
    ended: [u64; 3],
    cut_short: u64,
    fresh: u64,
    latencies: Vec<u64>,
    oldest: u64,
    tick: u64,
    last: u64,
}

impl<'a> Fleet<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        // Workers take turns, as RabbitMQ's consumers do.
        let free = (0..scenario.slots).flat_map(|_| 0..scenario.workers).collect();
        Self {
            scenario,
            events: BinaryHeap::new(),
            foreseen: 0,
            jobs: Vec::with_capacity(scenario.jobs()),
            queue: VecDeque::new(),
            free,
            orphans: Vec::new(),
            cores: (0..scenario.workers).map(|_| Bank::new(scenario.cores, 0)).collect(),
            postgres: Bank::new(scenario.postgres_cores, 0),
            slots_busy: 0,
            worked: 0,
            ended: [0; 3],
            cut_short: 0,
            fresh: 0,
            latencies: Vec::with_capacity(scenario.jobs()),
            oldest: 0,
            tick: 0,
            last: 0,
        }
    }

    fn at(&mut self, at: u64, event: Event) {
        self.events.push(Reverse((at, self.foreseen, event)));
        self.foreseen += 1;
    }

    fn arrive(&mut self, job: Job) {
        self.queue.push_back(self.jobs.len() as u32);
        self.jobs.push(job);
        self.dispatch(job.enqueued);
    }

    fn happen(&mut self) {
        let Some(Reverse((now, _, event))) = self.events.pop() else { return };
        match event {
            Event::Looked(job, run) if self.is_current(job, run) => self.work(job, now),
            Event::Worked(job, run) if self.is_current(job, run) => {
                let end = self.postgres.serve(now, self.service(job).postgres);
                self.at(end, Event::Stored(job, run));
            }
            Event::Stored(job, run) if self.is_current(job, run) => self.end_run(job, now),
            Event::Looked(..) | Event::Worked(..) | Event::Stored(..) => {}
            Event::Back(job) => self.queue.push_back(job),
            Event::Returned => {
                for job in std::mem::take(&mut self.orphans).into_iter().rev() {
                    self.queue.push_front(job);
                }
            }
            Event::Death(death) => self.die(death, now),
            Event::Restart => {
                self.cores[0] = Bank::new(self.scenario.cores, now);
                self.free.extend((0..self.scenario.slots).map(|_| 0));
            }
        }
        self.dispatch(now);
    }

    fn is_current(&self, job: u32, run: u32) -> bool {
        self.jobs[job as usize].run == run
    }

    /// Gives waiting jobs to free slots.
    fn dispatch(&mut self, now: u64) {
        while let Some(worker) = self.free.front().copied() {
            let Some(number) = self.queue.pop_front() else { return };
            let job = &mut self.jobs[number as usize];
            if now > job.enqueued + self.scenario.interval {
                let how = if job.retries == 0 { 1 } else { 2 };
                self.end(number, how, now);
                continue;
            }
            self.free.pop_front();
            (job.state, job.worker, job.taken) = (State::Running, worker, now);
            job.run += 1;
            let run = job.run;
            if self.draw(number, Draw::Looks) < self.scenario.looks {
                let takes = self.scenario.look as f64 * (0.5 + self.draw(number, Draw::Look));
                self.at(now + takes as u64, Event::Looked(number, run));
            } else {
                self.work(number, now);
            }
        }
    }

    fn work(&mut self, number: u32, now: u64) {
        let Job { worker, run, .. } = self.jobs[number as usize];
        let takes = self.service(number).worker;
        let end = self.cores[worker as usize].serve(now, takes);
        self.at(end, Event::Worked(number, run));
    }

    fn end_run(&mut self, number: u32, now: u64) {
        let Job { worker, taken, retries, .. } = self.jobs[number as usize];
        self.slots_busy += now - taken;
        self.free.push_back(worker);
        if self.draw(number, Draw::Failure(retries)) >= self.scenario.failures {
            return self.end(number, 0, now);
        }
        if retries == self.scenario.retry.most {
            return self.end(number, 2, now);
        }
        let delay = self.scenario.retry.delay(retries, self.draw(number, Draw::Jitter(retries)));
        let job = &mut self.jobs[number as usize];
        job.retries += 1;
        job.state = State::Waiting;
        self.at(now + delay, Event::Back(number));
    }

    /// A job ends: done (0), expired (1) or given up (2).
    fn end(&mut self, number: u32, how: usize, now: u64) {
        let job = &mut self.jobs[number as usize];
        assert_ne!(job.state, State::Ended, "job {number} ends twice");
        job.state = State::Ended;
        self.ended[how] += 1;
        self.oldest = self.oldest.max(now - job.enqueued);
        self.tick = self.tick.max(now - u64::from(job.tick) * self.scenario.interval);
        self.last = self.last.max(now);
        if how == 0 {
            self.latencies.push(now - job.enqueued);
            self.fresh += u64::from(now <= job.due + self.scenario.interval);
        }
    }

    fn die(&mut self, death: Death, now: u64) {
        self.free.retain(|worker| *worker != 0);
        self.worked += std::mem::replace(&mut self.cores[0], Bank::new(1, now)).busy;
        for (number, job) in self.jobs.iter_mut().enumerate() {
            if job.state == State::Running && job.worker == 0 {
                job.state = State::Waiting;
                job.run += 1;
                self.cut_short += 1;
                self.slots_busy += now - job.taken;
                self.orphans.push(number as u32);
            }
        }
        self.at(now + death.return_after, Event::Returned);
        self.at(now + death.restart_after, Event::Restart);
    }

    fn service(&self, number: u32) -> Service {
        let is_new = self.draw(number, Draw::News) < self.scenario.news;
        if is_new { self.scenario.one_new } else { self.scenario.unchanged }
    }

    /// From 0 to 1, the job's own whenever it is asked for: how many workers there are changes nothing about it.
    fn draw(&self, number: u32, what: Draw) -> f64 {
        let what = match what {
            Draw::News => 0,
            Draw::Looks => 1,
            Draw::Look => 2,
            Draw::Failure(retries) => 3 + 2 * u64::from(retries),
            Draw::Jitter(retries) => 4 + 2 * u64::from(retries),
        };
        let mut own = Random(self.scenario.seed ^ (u64::from(number) << 16) ^ what);
        own.unit()
    }

    fn outcome(mut self) -> Outcome {
        assert!(self.jobs.iter().all(|job| job.state == State::Ended), "a job has not ended");
        let scenario = self.scenario;
        let time = self.last.max(u64::from(scenario.ticks) * scenario.interval).max(1) as f64;
        let share = |busy: u64, servers: f64| busy as f64 / (time * servers);
        let workers = f64::from(scenario.workers);
        let worked = self.worked + self.cores.iter().map(|bank| bank.busy).sum::<u64>();
        Outcome {
            done: self.ended[0],
            expired: self.ended[1],
            given_up: self.ended[2],
            cut_short: self.cut_short,
            tick: self.tick as f64 / 1e6,
            oldest: self.oldest as f64 / 1e6,
            p50: quantile(&mut self.latencies, 0.5),
            p99: quantile(&mut self.latencies, 0.99),
            fresh: self.fresh as f64 / scenario.jobs().max(1) as f64,
            slots_busy: share(self.slots_busy, workers * f64::from(scenario.slots)),
            workers_busy: share(worked, workers * scenario.cores as f64),
            postgres_busy: share(self.postgres.busy, scenario.postgres_cores.max(1) as f64),
        }
    }
}
