use std::collections::{BTreeMap, BTreeSet};

use ledger::Account;
use storage::Lease;

/// A lease that was given, as an observer sees it who sees everything.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) lease: Lease,
    pub(crate) job: usize,
    pub(crate) worker: String,
    /// In which turn; what happens in one turn may have happened in any order.
    pub(crate) at: u64,
    /// When its run gave it back or finished.
    pub(crate) ended: Option<u64>,
    /// Its worker died while it was open.
    pub(crate) killed: bool,
    /// Its worker lives, but could not give it back.
    pub(crate) abandoned: bool,
    /// Its worker may be taken for dead.
    pub(crate) suspected: bool,
    /// Its mark was closed by somebody who took its worker for dead.
    pub(crate) closed: bool,
    /// It was not renewed in time.
    pub(crate) expired: bool,
    /// Its notification was confirmed.
    pub(crate) told: bool,
    /// Its outcome was written; whether it was a whole success.
    pub(crate) finished: Option<bool>,
}

/// Everything that happened and matters.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) turn: u64,
    pub(crate) taken: Vec<Taken>,
    /// In which turn a job ended without a run of its own.
    pub(crate) ended: BTreeMap<usize, u64>,
    /// In which turn a mark of a job was closed last.
    closed: BTreeMap<usize, u64>,
    /// What jobs were told in this turn of the deaths they caused.
    pub(crate) crashes_told: Vec<(usize, u32)>,
    /// Jobs that another run did.
    pub(crate) superseded: BTreeSet<usize>,
    /// Jobs whose failure was told.
    pub(crate) failures_told: BTreeSet<usize>,
    /// Dead letters and their reasons.
    pub(crate) letters: Vec<(usize, String)>,
    /// Jobs whose attempt failed once at least.
    pub(crate) failed: BTreeSet<usize>,
    /// How often a run found out that the account was another's.
    pub(crate) lost_leases: usize,
    /// How often a job came too late.
    pub(crate) expired: usize,
}

impl Records {
    pub(crate) fn of<'a>(&'a self, account: &'a Account) -> impl Iterator<Item = &'a Taken> {
        self.taken.iter().filter(move |taken| taken.lease.account == *account)
    }

    pub(crate) fn find(&self, lease: &Lease) -> Option<&Taken> {
        let same = |taken: &&Taken| taken.lease.account == lease.account && taken.lease.fence == lease.fence;
        self.taken.iter().find(same)
    }

    pub(crate) fn edit(&mut self, lease: &Lease, change: impl FnOnce(&mut Taken)) {
        let same =
            |taken: &&mut Taken| taken.lease.account == lease.account && taken.lease.fence == lease.fence;
        if let Some(taken) = self.taken.iter_mut().find(same) {
            change(taken);
        }
    }

    /// A mark of the job was closed: one of before or of this turn, which nobody can tell.
    pub(crate) fn close(&mut self, job: usize) {
        self.closed.insert(job, self.turn);
        self.taken.iter_mut().filter(|taken| taken.job == job).for_each(|taken| taken.closed = true);
    }

    pub(crate) fn is_closed_in_turn(&self, job: usize) -> bool {
        self.closed.get(&job) == Some(&self.turn)
    }

    /// Workers that died with this job, or were thought to have and have not taken that back.
    pub(crate) fn deaths(&self, job: usize) -> usize {
        let thought = |taken: &Taken| taken.suspected || taken.closed;
        let silent = |taken: &Taken| taken.ended.is_none_or(|ended| ended == self.turn);
        let dead = |taken: &&Taken| taken.killed || taken.abandoned || thought(taken) && silent(taken);
        self.taken.iter().filter(|taken| taken.job == job).filter(dead).count()
    }
}
