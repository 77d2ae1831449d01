use std::sync::Arc;

use chrono::NaiveDate;

use crate::Fill;
use crate::origin::{Origin, Place};

/// When something was last traded at a place: what rows, holdings and findings are named and dated by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trail {
    pub(crate) place: Arc<Place>,
    /// The latest fill.
    pub(crate) latest: Option<Arc<Origin>>,
    /// The latest fill of a day before that one's.
    pub(crate) before: Option<Arc<Origin>>,
    /// The latest opening lot.
    pub(crate) opening: Option<Arc<Origin>>,
}

impl Trail {
    pub(crate) fn new(place: Arc<Place>) -> Self {
        Self { place, latest: None, before: None, opening: None }
    }

    /// The origin of the next fill, to be handed to [`Trail::pass`]. It is made of the latest one's where nothing
    /// else remembers that: half of all fills leave no lot, and need no memory of their own.
    pub(crate) fn make_way(&mut self, fill: Fill, day: NaiveDate) -> Arc<Origin> {
        if let Some(mut latest) = self.latest.take() {
            if latest.day < day {
                self.before = Some(latest);
            } else if Arc::strong_count(&latest) == 1
                && let Some(forgotten) = Arc::get_mut(&mut latest)
            {
                forgotten.become_fill(fill, day);
                return latest;
            }
        }
        Arc::new(Origin::of_fill(fill, Arc::clone(&self.place), day))
    }

    /// The fill that way was made for has passed.
    pub(crate) fn pass(&mut self, fill: Arc<Origin>) {
        self.latest = Some(fill);
    }

    pub(crate) fn open(&mut self, lot: &Arc<Origin>) {
        self.opening = Some(Arc::clone(lot));
    }

    /// A fill tells better than an opening lot.
    pub(crate) fn best(&self) -> Option<&Arc<Origin>> {
        self.latest.as_ref().or(self.opening.as_ref())
    }

    /// The same of what happened before a day; an opening lot is from before its day, whatever its hour.
    pub(crate) fn best_before(&self, day: NaiveDate) -> Option<&Arc<Origin>> {
        let latest = self.latest.as_ref().filter(|latest| latest.day < day);
        latest.or(self.before.as_ref()).or(self.opening.as_ref())
    }
}
