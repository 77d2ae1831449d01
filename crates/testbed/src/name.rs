//! Names for what a test creates on a shared server.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

/// `test_<process>_<number>_<random>`: distinct on the machine, also from what a killed test left behind.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("test_{process}_{number}_{:08x}", RandomState::new().hash_one(number) >> 32)
}
