use std::collections::BTreeSet;

use storage::Lease;

use crate::records::Taken;
use crate::run::Run;
use crate::world::{CRASH_LIMIT, RETRIES, World};

impl World {
    /// Somebody was given an account, or closed the mark of a run there.
    pub(crate) fn check_alone(&mut self, run: &Run) {
        let turn = self.records.turn;
        let well = |taken: &&Taken| {
            let open = taken.ended.is_none()
                && taken.at < turn
                && !taken.killed
                && !taken.abandoned
                && !taken.expired
                && !taken.closed;
            let newest =
                !self.records.of(&run.job.account).any(|other| other.lease.fence > taken.lease.fence);
            // A redelivered job cannot know that it is not the one that runs there.
            open && newest && !(taken.job == run.job.number && run.redelivered)
        };
        let other = self.records.of(&run.job.account).find(well).map(|taken| taken.job);
        if let Some(other) = other {
            let job = run.job.number;
            self.violation(format!("j{job} takes the account of j{other} from a run that is well"));
        }
    }

    pub(crate) fn check_lease(&mut self, run: &Run, lease: &Lease) {
        self.check_alone(run);
        let (turn, job) = (self.records.turn, run.job.number);
        if lease.crashes > CRASH_LIMIT {
            self.violation(format!("j{job} runs although {} workers died with it", lease.crashes));
        }
        let older = |taken: &Taken| taken.at < turn && taken.lease.fence >= lease.fence;
        if self.records.of(&run.job.account).any(older) {
            self.violation(format!("the fence {} was there before", lease.fence));
        }
        // A run that finished had the account: a lease that came later in the same turn has a higher fence.
        let done = |taken: &Taken| taken.job == job && taken.finished.is_some();
        let done = self.records.of(&run.job.account).any(done);
        if done || self.records.ended.get(&job).is_some_and(|ended| *ended < turn) {
            self.violation(format!("j{job} runs again although it is done"));
        }
    }

    /// A run has written something.
    pub(crate) fn check_write(&mut self, run: &Run) {
        let Some(taken) = run.lease.as_ref().and_then(|lease| self.records.find(lease)).cloned() else {
            return;
        };
        let (turn, fence) = (self.records.turn, taken.lease.fence);
        let newer = |other: &Taken| other.lease.fence > fence && other.at < turn;
        if self.records.of(&run.job.account).any(newer) || taken.ended.is_some_and(|ended| ended < turn) {
            self.violation(format!("j{} writes under fence {fence} after its time", run.job.number));
        }
    }

    pub(crate) fn check_superseded(&mut self, run: &Run, by: &str) {
        let job = &run.job;
        let covers = |taken: &Taken| {
            let other = &self.jobs[taken.job];
            let later = job.enqueued_at.is_some_and(|enqueued| taken.lease.started_at > enqueued);
            let as_much = (other.force || !job.force) && (other.check_external || !job.check_external);
            other.id == by && later && as_much && taken.told && taken.finished == Some(true)
        };
        if !self.records.of(&job.account).any(covers) {
            self.violation(format!("j{} is superseded by {by}, which did not do its work", job.number));
        }
    }

    /// In this turn jobs were told how many deaths they have caused.
    pub(crate) fn check_crashes(&mut self) {
        for (job, crashes) in std::mem::take(&mut self.records.crashes_told) {
            let deaths = self.records.deaths(job);
            if crashes as usize > deaths {
                self.violation(format!("j{job} has {crashes} crashes after {deaths} deaths"));
            }
        }
    }

    pub(crate) fn check_retry(&mut self, job: usize, retries: u32) {
        if retries > RETRIES {
            self.violation(format!("j{job} is retried for the {retries}th time"));
        }
    }

    pub(crate) fn check_letter(&mut self, run: &Run, reason: &str) {
        let job = run.job.number;
        let deserved = match reason {
            // Whether they were deaths was looked at when they were told.
            "crash_loop" => true,
            "retries_exhausted" => run.retries >= RETRIES && self.records.failed.contains(&job),
            _ => false,
        };
        if !deserved {
            self.violation(format!("j{job} is dead without deserving it: {reason}"));
        }
    }

    /// What must be true when nothing is left to do.
    pub(crate) async fn check_end(&mut self) {
        if self.found.is_some() {
            return;
        }
        if !self.messages.is_empty() || !self.runs.is_empty() {
            return self.violation("it does not come to an end".to_owned());
        }
        for job in self.jobs.clone() {
            let outcome = self.storage.outcome(&job.id, &job.account).await.unwrap();
            let records = &self.records;
            let finished = |taken: &Taken| taken.job == job.number && taken.finished.is_some() && taken.told;
            let told = records.taken.iter().any(finished) || records.superseded.contains(&job.number);
            let failure_told = records.failures_told.contains(&job.number);
            let right = match outcome.as_ref().map(|outcome| outcome.status.as_str()) {
                Some("success" | "partial_success") => told,
                Some("failed") => failure_told,
                Some("expired") => job.expires.is_some(),
                _ => false,
            };
            let has_letter = records.letters.iter().any(|(dead, _)| *dead == job.number);
            if !right || has_letter && !failure_told && !told {
                self.violation(format!("j{} ended as {outcome:?}, and nobody was told", job.number));
            }
        }
    }

    /// Deaths are counted, and nothing else; `charged` are the ids of jobs and the fences of their runs.
    pub(crate) fn check_charges(&mut self, charged: &BTreeSet<(String, i64)>) {
        let mut wrong = Vec::new();
        for taken in &self.records.taken {
            let (job, fence) = (&taken.lease.job_id, taken.lease.fence);
            let is_charged = charged.contains(&(job.clone(), fence));
            if is_charged && !taken.killed && !taken.abandoned {
                wrong.push(format!("{job} is charged with the run of fence {fence}, whose worker lives"));
            }
            let later = self.records.of(&taken.lease.account).filter(|other| other.lease.fence > fence);
            let next = later.min_by_key(|other| other.lease.fence);
            // Its own worker, of whose session it was the end, closes the mark without a charge.
            let is_seen = next.is_some_and(|next| next.worker != taken.worker);
            if taken.abandoned && !taken.closed && next.is_some() && !is_seen && is_charged {
                wrong.push(format!("{job} is charged with the run of fence {fence} by its own worker"));
            }
            if taken.killed && is_seen && !is_charged {
                wrong.push(format!(
                    "the death of {} with {job} and fence {fence} is not counted",
                    taken.worker
                ));
            }
        }
        wrong.into_iter().for_each(|wrong| self.violation(wrong));
    }
}
