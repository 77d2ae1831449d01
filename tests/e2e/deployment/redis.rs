use std::process::Command;

use e2e::{Deployment, free_address};
use testbed::{Process, wait_until};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
const FOLDER: &str = "deploy/kubernetes/components/redis-cluster";

/// What a Redis on this port answers.
fn ask(port: &str, words: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["-p", port]).args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_redis_starts_with_the_settings_of_the_cluster() {
    // The testbed brings the program where it is missing.
    drop(testbed::Redis::start().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = Deployment::file(&format!("{FOLDER}/redis.conf"));
    let address = free_address();
    let port = address.rsplit(':').next().unwrap();
    let bus = free_address();
    let mut command = Command::new("redis-server");
    command.arg(file).args(["--port", port, "--cluster-port", bus.rsplit(':').next().unwrap()]);
    command.args(["--bind", "127.0.0.1", "--cluster-announce-ip", "127.0.0.1"]);
    let redis = Process::spawn({
        command.arg("--dir").arg(folder.path());
        command
    })
    .unwrap();
    wait_until("a Redis that answers", PATIENCE, || ask(port, &["ping"]).trim() == "PONG");
    assert!(ask(port, &["info", "cluster"]).contains("cluster_enabled:1"), "{}", redis.output());
    for (setting, value) in
        [("maxmemory-policy", "noeviction"), ("appendonly", "yes"), ("cluster-require-full-coverage", "no")]
    {
        assert_eq!(ask(port, &["config", "get", setting]).lines().last(), Some(value));
    }
    redis.terminate().unwrap();
    assert_eq!(redis.wait(PATIENCE).unwrap().code(), Some(0), "{}", redis.output());
}

#[test]
fn the_script_that_makes_the_cluster_is_one_that_sh_reads() {
    let script = Deployment::file(&format!("{FOLDER}/create-cluster.sh"));
    let output = Command::new("sh").arg("-n").arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
