use std::fs;

use serde_json::Value;

use super::Told;
use crate::doctor::finding::Finding;

/// RabbitMQ's own, since 3.8.17.
const DEFAULT_SECONDS: u64 = 1800;
/// A job is acked after its time limit and the confirm of what it led to; that much more is little.
const AMPLE: u64 = 2;

/// RabbitMQ closes the channel of a consumer that holds a message for longer than its `consumer_timeout`. It tells that to
/// nobody: a policy or an argument of a queue is seen over the management API, and the setting of the server only in the files
/// of its configuration, where they lie on this host.
pub(super) fn judge(told: &Told, time_limit: u64) -> Finding {
    let queues = told.queues.iter().flatten().flatten();
    let mut known: Vec<(u64, String)> = queues.filter_map(of_queue).collect();
    let files = told.nodes.iter().flat_map(|node| node["config_files"].as_array().into_iter().flatten());
    for file in files.filter_map(Value::as_str) {
        if let Some(seconds) = fs::read_to_string(file).ok().as_deref().and_then(in_configuration) {
            known.push((seconds, format!("in {file}")));
        }
    }
    let Some((seconds, place)) = known.into_iter().min() else {
        let text = format!(
            "not known, since RabbitMQ does not tell it; its default is {DEFAULT_SECONDS} s, the jobs' time limit {time_limit} s"
        );
        return if time_limit * AMPLE > DEFAULT_SECONDS {
            Finding::warning("consumer_timeout", text, mend(time_limit))
        } else {
            Finding::ok("consumer_timeout", text)
        };
    };
    let text = format!("consumer_timeout is {seconds} s {place}, the jobs' time limit {time_limit} s");
    match seconds {
        seconds if seconds <= time_limit => Finding::serious(
            "consumer_timeout",
            format!("{text}: jobs are taken away while they run"),
            mend(time_limit),
        ),
        seconds if seconds < time_limit * AMPLE => {
            Finding::warning("consumer_timeout", text, mend(time_limit))
        }
        _ => Finding::ok("consumer_timeout", text),
    }
}

fn mend(time_limit: u64) -> String {
    format!(
        "set consumer_timeout to {} or more (milliseconds), or JOB_TIME_LIMIT_SECONDS lower",
        time_limit * AMPLE * 1000
    )
}

/// Of a work queue, by its policy or its argument, in milliseconds there.
fn of_queue(queue: &Value) -> Option<(u64, String)> {
    let name = queue["name"].as_str().filter(|name| queue::WorkQueue::parse(name).is_some())?;
    let policy = queue["effective_policy_definition"]["consumer-timeout"].as_u64();
    let argument = queue["arguments"]["x-consumer-timeout"].as_u64();
    Some((policy.into_iter().chain(argument).min()? / 1000, format!("of queue {name}")))
}

/// In `rabbitmq.conf` (`consumer_timeout = 1800000`) or in `advanced.config` (`{consumer_timeout, 1800000}`).
fn in_configuration(text: &str) -> Option<u64> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', '%']));
    let mut millis = lines.filter_map(|line| {
        let (_, rest) = line.split_once("consumer_timeout")?;
        let digits: String =
            rest.trim_start_matches([' ', '=', ',']).chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    });
    millis.next_back().map(|millis| millis / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_configuration_are_read_and_comments_are_not() {
        assert_eq!(in_configuration("# consumer_timeout = 5000\nconsumer_timeout = 90000\n"), Some(90));
        assert_eq!(in_configuration("[{rabbit, [\n  {consumer_timeout, 60000}\n]}]."), Some(60));
        assert_eq!(in_configuration("[{rabbit, [{consumer_timeout, undefined}]}]."), None);
        assert_eq!(in_configuration("listeners.tcp.default = 5672\n%% {consumer_timeout, 1}"), None);
    }
}
