use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::Deployment;
use testbed::binary;

use super::{GIVE_BACK_SECONDS, variables};

const UNITS: [&str; 2] = ["syncfleet-worker@.service", "syncfleet-beat.service"];
const PROGRAMS: &str = "/usr/local/bin/";
/// `systemd-analyze security`: from 0 (shut off) to 10 (may do anything). What is left is the network, which they need.
const EXPOSURE_MAX: f64 = 1.2;

/// The program that judges units. `None`, said aloud, where it cannot be had.
#[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
fn systemd_analyze() -> Option<std::path::PathBuf> {
    match testbed::systemd_analyze() {
        Ok(program) => Some(program),
        Err(why) => {
            assert!(std::env::var_os("SYNCFLEET_TESTS_REQUIRE_PYTHON").is_none(), "{why}");
            eprintln!("SKIPPED, nothing is shown by this test: no systemd here: {why}");
            None
        }
    }
}

/// The value of a setting of a unit, the last one where there are several.
fn setting(unit: &str, name: &str) -> String {
    let text = Deployment::text(&format!("deploy/{unit}"));
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    lines.rfind(|(known, _)| *known == name).unwrap_or_else(|| panic!("{unit}: no {name}")).1.to_owned()
}

fn number(unit: &str, name: &str) -> u64 {
    setting(unit, name).parse().unwrap()
}

/// What `systemd-analyze` says, and whether it liked what it saw.
fn analyze(program: &Path, arguments: &[&str], folder: &Path) -> (bool, String) {
    let units = UNITS.map(|unit| folder.join(unit));
    let mut command = Command::new(program);
    let output = command.args(arguments).args(units).env("SYSTEMD_PAGER", "").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The units with programs that are there: systemd looks for them.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let programs = binary("syncfleet").unwrap().with_file_name("");
    for unit in UNITS {
        let text = Deployment::text(&format!("deploy/{unit}"));
        assert!(text.contains(PROGRAMS), "{unit}");
        fs::write(folder.path().join(unit), text.replace(PROGRAMS, programs.to_str().unwrap())).unwrap();
    }
    folder
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_little_that_they_may_do() {
    let Some(program) = systemd_analyze() else { return };
    let folder = installed();
    let (is_well, said) = analyze(&program, &["verify", "--man=no"], folder.path());
    assert!(is_well && said.trim().is_empty(), "{said}");
    let (is_well, said) = analyze(&program, &["security", "--offline=yes", "--no-pager"], folder.path());
    assert!(is_well, "{said}");
    let levels: Vec<f64> = said
        .lines()
        .filter_map(|line| line.split_once("Overall exposure level for ")?.1.split_once(": "))
        .map(|(_, rest)| rest.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(levels.len(), UNITS.len(), "{said}");
    assert!(levels.iter().all(|level| *level <= EXPOSURE_MAX), "{levels:?}");
}

#[test]
fn a_unit_that_systemd_does_not_understand_is_found() {
    let Some(program) = systemd_analyze() else { return };
    let folder = installed();
    let unit = folder.path().join(UNITS[0]);
    let spoilt = fs::read_to_string(&unit).unwrap().replace("WatchdogSec=60", "WatchdogSec=soon");
    fs::write(&unit, spoilt).unwrap();
    let (_, said) = analyze(&program, &["verify", "--man=no"], folder.path());
    assert!(said.contains("soon"), "{said}");
}

#[test]
fn the_units_give_the_programs_the_time_they_need() {
    for unit in UNITS {
        assert_eq!(setting(unit, "Type"), "notify");
        // GIVE_UP_SECONDS, unless somebody says otherwise: then it ends by itself and says why.
        assert!(number(unit, "TimeoutStartSec") > 300, "{unit}");
        // Twice the time after which a program that does not get on is no longer said to live.
        assert!(number(unit, "WatchdogSec") >= 60, "{unit}");
        assert_eq!(setting(unit, "RestartPreventExitStatus"), "2 78");
    }
    let example = Deployment::text("deploy/syncfleet.env.example");
    let grace = example.lines().find_map(|line| line.strip_prefix("SHUTDOWN_GRACE_SECONDS=")).unwrap();
    let grace: u64 = grace.parse().unwrap();
    assert!(number(UNITS[0], "TimeoutStopSec") >= grace + GIVE_BACK_SECONDS);
}

#[test]
fn every_variable_of_the_environment_file_is_one_of_ours() {
    let programs = ["syncfleet", "syncfleet-worker", "syncfleet-beat"];
    let known: Vec<_> = programs.map(variables).into_iter().flatten().collect();
    let example = Deployment::text("deploy/syncfleet.env.example");
    let lines = example.lines().map(|line| line.trim_start_matches('#'));
    let named: Vec<_> = lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        // The secret of a brokerage has a name of its user's choice.
        assert!(name == "KITE_API_KEY" || known.iter().any(|known| known == name), "nobody knows {name}");
    }
}
