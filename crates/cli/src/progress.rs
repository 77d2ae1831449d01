use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// How far something long has come: a line on the terminal that is taken away when this goes, however it goes. Nothing
/// elsewhere.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of `total` things; `doing` is a word for what is done with them.
    pub(crate) fn new(doing: &'static str, total: usize) -> Self {
        let bar = ProgressBar::new(total as u64);
        if !output::is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = "{prefix} {bar:30} {pos}/{len}, {elapsed} so far, {eta} to go {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(doing);
        bar.tick();
        Self(bar)
    }

    /// So many are done.
    pub(crate) fn at(&self, done: usize) {
        self.0.set_position(done as u64);
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// Prints above the line.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
