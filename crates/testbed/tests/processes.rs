//! Started programs and the stand-in for Kite.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::{Error, FakeKite, Process};

const SOON: Duration = Duration::from_secs(20);

fn sh(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env("GREETING", "hello");
    Process::spawn(command).unwrap()
}

#[test]
fn output_is_captured_and_waited_for_line_by_line() {
    let process = sh("echo $GREETING there; echo trouble >&2; exit 3");
    assert_eq!(process.wait_for_line("hello", SOON).unwrap(), "hello there");
    assert_eq!(process.wait_for_line("trouble", SOON).unwrap(), "trouble");
    assert_eq!(process.wait(SOON).unwrap().code(), Some(3));
    assert_eq!(process.output(), "hello there\ntrouble\n");
}

#[test]
fn a_line_that_never_comes_is_an_error_with_the_output() {
    let error = sh("echo other").wait_for_line("wanted", SOON).unwrap_err();
    assert!(matches!(&error, Error::Ended { log, .. } if log == "other"), "{error}");
    let error = sh("echo other; sleep 1000").wait_for_line("wanted", Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
}

#[test]
fn each_signal_arrives() {
    let trap = "trap 'echo terminated; exit 0' TERM; trap 'echo interrupted; exit 1' INT; echo ready; \
                while :; do sleep 0.05; done";
    let process = sh(trap);
    process.wait_for_line("ready", SOON).unwrap();
    process.terminate().unwrap();
    assert_eq!(process.wait(SOON).unwrap().code(), Some(0));
    process.kill().unwrap();

    let process = sh(trap);
    process.wait_for_line("ready", SOON).unwrap();
    process.stop().unwrap();
    process.interrupt().unwrap();
    assert!(process.wait(Duration::from_millis(300)).is_err(), "it hangs");
    process.cont().unwrap();
    process.wait_for_line("interrupted", SOON).unwrap();

    let process = sh(trap);
    process.kill().unwrap();
    assert_eq!(process.wait(SOON).unwrap().signal(), Some(9));
}

#[test]
fn the_fake_kite_answers_as_told_and_remembers_the_headers() {
    let kite = FakeKite::start().unwrap();
    let answer = get(&kite, "/orders");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"status":"success","data":[]}"#));
    assert_eq!(kite.last_authorization().as_deref(), Some("token key:secret"));
    assert_eq!(kite.last_kite_version().as_deref(), Some("3"));

    kite.respond_as(502, "text/html", "<html>");
    kite.add_header("Retry-After", "7");
    let answer = get(&kite, "/orders?x=1");
    assert!(
        answer.starts_with("HTTP/1.1 502 ")
            && answer.contains("text/html")
            && answer.contains("Retry-After: 7")
    );
    assert!(get(&kite, "/elsewhere").starts_with("HTTP/1.1 404 "));
    assert_eq!(kite.requests(), 2);
}

#[test]
fn the_fake_kite_can_be_slow() {
    let kite = FakeKite::start().unwrap();
    kite.delay(Duration::from_millis(200));
    let begun = Instant::now();
    get(&kite, "/orders");
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

fn get(kite: &FakeKite, path: &str) -> String {
    let url = kite.base_url();
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: k\r\nConnection: close\r\nauthorization: token key:secret\r\n\
         X-Kite-Version: 3\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
