//! The files in `deploy/`: what their schemas, the programs that read them, and our own programs say of them. No container is
//! started.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod compose;
mod image;
mod kubernetes;
mod redis;
mod settings;
mod units;

use std::collections::BTreeSet;
use std::process::Command;

use testbed::binary;

/// What lies between the grace of a worker and the end of its supervisor's patience: it takes some seconds to give back what ran.
const GIVE_BACK_SECONDS: u64 = 15;

/// The variables that a program knows, with those of its commands.
fn variables(program: &str) -> BTreeSet<String> {
    let mut variables = variables_of(program, &[]);
    if program == "syncfleet" {
        // Those of all commands are among these two's.
        variables.extend(variables_of(program, &["sync"]));
        variables.extend(variables_of(program, &["migrate"]));
    }
    variables
}

fn variables_of(program: &str, command: &[&str]) -> BTreeSet<String> {
    let help = help(program, command);
    let named = help.split("[env: ").skip(1);
    named.filter_map(|rest| rest.split(['=', ']']).next()).map(str::to_owned).collect()
}

fn help(program: &str, command: &[&str]) -> String {
    let mut asked = Command::new(binary(program).unwrap());
    let output = asked.args(command).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success(), "{program} {command:?} --help");
    String::from_utf8(output.stdout).unwrap()
}

/// The seconds of a duration such as `5m30s`.
fn seconds(text: &str) -> u64 {
    let (mut total, mut number) = (0, 0);
    for character in text.chars() {
        match character {
            'm' => total += std::mem::take(&mut number) * 60,
            's' => total += std::mem::take(&mut number),
            digit => number = number * 10 + u64::from(digit.to_digit(10).unwrap()),
        }
    }
    total + number
}
