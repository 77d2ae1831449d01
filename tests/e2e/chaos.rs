//! The storm of `cargo xtask chaos`, a short one.

use std::process::Command;

use testbed::{BIN_DIR, binary};

#[test]
fn a_minute_of_storm_loses_nothing_gets_nothing_wrong_and_misses_nothing() {
    let xtask = binary("xtask").unwrap();
    let output = Command::new(&xtask)
        .args(["chaos", "--minutes", "1", "--seed", "5"])
        .env(BIN_DIR, xtask.parent().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.ends_with("\nlost: 0\nwrong: 0\nmissed: 0\n"), "{text}\n{errors}");
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
}
