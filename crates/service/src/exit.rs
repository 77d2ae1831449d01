//! Exit codes, after `sysexits.h` where it has a word for it.

/// Done.
pub const DONE: i32 = 0;
/// The operation failed: a sync was not `success`, or timed out.
pub const FAILED: i32 = 1;
/// A server cannot be reached (`EX_UNAVAILABLE`).
pub const UNAVAILABLE: i32 = 69;
/// A setting is wrong (`EX_CONFIG`).
pub const CONFIG: i32 = 78;
/// Ended by a second signal: 128 + SIGINT.
pub const INTERRUPTED: i32 = 130;
