use std::process::Command;

use e2e::{Deployment, World, free_address};
use testbed::{binary, wait_until};

use super::help;

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// The C libraries in distroless/cc, and the loader.
const IN_THE_IMAGE: [&str; 7] =
    ["linux-vdso", "ld-linux", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2"];

#[test]
fn the_programs_need_no_library_that_the_image_lacks() {
    for program in ["syncfleet", "syncfleet-beat", "syncfleet-worker"] {
        let output = Command::new("ldd").arg(binary(program).unwrap()).output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        assert!(listed.contains("libc.so.6"), "{listed}");
        for line in listed.lines() {
            assert!(IN_THE_IMAGE.iter().any(|known| line.contains(known)), "{program}: {line}");
        }
    }
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_asks_itself_how_it_is() {
    let dockerfile = Deployment::text("deploy/Dockerfile");
    let last = |word: &str| dockerfile.lines().rfind(|line| line.starts_with(word)).unwrap().to_owned();
    let user = last("USER ").replace("USER ", "");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    assert_eq!(last("EXPOSE "), "EXPOSE 9464");
    assert_eq!(last("ENV "), "ENV METRICS_ADDR=0.0.0.0:9464");
    assert!(dockerfile.contains(r#"CMD ["syncfleet-worker", "--probe", "live"]"#), "the health check");
    assert!(help("syncfleet-worker", &[]).contains("--probe"));
    for package in ["cli", "beat", "worker"] {
        assert!(dockerfile.contains(&format!("--package {package}")), "{package} is not built");
        assert!(Deployment::file(&format!("crates/{package}/Cargo.toml")).is_file());
    }
    let ignored = Deployment::text(".dockerignore");
    for needed in ["Cargo.toml", "Cargo.lock", ".sqlx", "crates", "migrations", "tests"] {
        assert!(Deployment::file(needed).exists(), "{needed}");
        assert!(!ignored.lines().any(|line| line.trim_start_matches('/') == needed), "{needed} is left out");
    }
    let toolchain = dockerfile.lines().find(|line| line.starts_with("FROM rust:")).unwrap();
    let wanted = Deployment::text("Cargo.toml");
    let version = wanted.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    assert!(toolchain.contains(&format!("rust:{}-", version.trim_end_matches('"'))), "{toolchain}");
}

#[test]
fn a_probe_says_how_a_program_is_by_its_exit_code() {
    let world = World::new();
    let address = free_address();
    let probe = |what: &str, address: &str| {
        let mut command = world.command("syncfleet-worker", &["--probe", what]);
        let output = command.env("METRICS_ADDR", address).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap().trim().to_owned())
    };
    assert_eq!(probe("live", &address).0, Some(1), "nobody is there");
    let port = address.rsplit(':').next().unwrap();
    let everywhere = format!("0.0.0.0:{port}");
    let _worker = world.worker(&[("METRICS_ADDR", &everywhere)]);
    assert_eq!(probe("ready", &everywhere), (Some(0), "ready".to_owned()));
    world.redis.stop().unwrap();
    wait_until("not ready", PATIENCE, || probe("ready", &everywhere).0 == Some(1));
    assert!(probe("ready", &address).1.contains("Redis"), "{:?}", probe("ready", &address));
    assert_eq!(probe("live", &address), (Some(0), "alive".to_owned()));
    assert_eq!(probe("live", "").0, Some(78), "which address?");
}
