use std::fs;

use queue::WorkQueue;
use serde_json::Value;

use super::management::Told;
use crate::doctor::finding::Finding;

/// RabbitMQ's own, since 3.8.17.
const DEFAULT_SECONDS: u64 = 1800;
/// A job is acked after its time limit and the confirm of what it led to; that much more is little.
const AMPLE: u64 = 2;
/// Before this version RabbitMQ looks at the server's setting only.
const OF_QUEUES: (u32, u32) = (3, 12);

/// Seconds, and where they are said.
type Setting = (u64, String);

/// RabbitMQ closes the channel of a consumer that holds a message for longer than its `consumer_timeout`. It tells that to
/// nobody: a policy or an argument of a queue is seen over the management API, and the setting of the server only in the files
/// of its configuration, where they lie on this host.
pub(super) fn judge(told: &Told, version: Option<(u32, u32)>, time_limit: u64) -> Finding {
    let queues: Vec<Value> = told.queues.iter().flatten().flatten().cloned().collect();
    let Some((seconds, place)) = effective(&queues, of_server(told).as_ref(), version) else {
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

/// The shortest that a consumer of ours meets; `None` where that is the server's, which is not known.
///
/// What is said of a queue, by policy or argument (the lower of the two), stands in the place of the server's setting.
fn effective(queues: &[Value], server: Option<&Setting>, version: Option<(u32, u32)>) -> Option<Setting> {
    let may_differ = version.is_none_or(|version| version >= OF_QUEUES);
    let of_work_queue = |work: WorkQueue| {
        let queue = queues.iter().find(|queue| queue["name"] == work.name()).filter(|_| may_differ);
        queue.and_then(of_queue).or_else(|| server.cloned())
    };
    let settings = WorkQueue::ALL.map(of_work_queue);
    let shortest = settings.iter().flatten().min().cloned()?;
    let is_whole = settings.iter().all(Option::is_some);
    // One of them has the server's: nobody knows it, so it is taken for the default.
    (is_whole || shortest.0 <= DEFAULT_SECONDS).then_some(shortest)
}

/// As the configuration of those nodes says that run on this host: a path of another host names another file here.
fn of_server(told: &Told) -> Option<Setting> {
    let ours = service::host_name();
    let nodes = told.nodes.iter().filter(|node| {
        let name = node["name"].as_str().unwrap_or_default();
        runs_on(name, &ours, told.is_local)
    });
    let settings = nodes.filter_map(|node| {
        let files = node["config_files"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let said = files.filter_map(|file| {
            let seconds = fs::read_to_string(file).ok().as_deref().and_then(in_configuration)?;
            Some((file.ends_with(".config"), seconds, format!("in {file}")))
        });
        // advanced.config is laid over rabbitmq.conf, and of these a later one over an earlier one.
        said.max_by_key(|(is_advanced, ..)| *is_advanced).map(|(_, seconds, place)| (seconds, place))
    });
    settings.min()
}

/// Whether a node such as `rabbit@host-1` runs on this host; one at `localhost` does if we reach it there.
fn runs_on(node: &str, ours: &str, is_local: bool) -> bool {
    // Names of nodes are short unless RABBITMQ_USE_LONGNAME is set.
    let short = |host: &str| host.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let Some((_, host)) = node.split_once('@') else { return false };
    if host == "localhost" { is_local } else { short(host) == short(ours) }
}

fn mend(time_limit: u64) -> String {
    format!(
        "set consumer_timeout to {} or more (milliseconds), or JOB_TIME_LIMIT_SECONDS lower",
        time_limit * AMPLE * 1000
    )
}

/// Of a work queue, by its policy or its argument, in milliseconds there.
fn of_queue(queue: &Value) -> Option<Setting> {
    let policy = queue["effective_policy_definition"]["consumer-timeout"].as_u64();
    let argument = queue["arguments"]["x-consumer-timeout"].as_u64();
    let millis = policy.into_iter().chain(argument).min()?;
    Some((millis / 1000, format!("of queue {}", queue["name"].as_str().unwrap_or_default())))
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
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_of_a_queue_beats_the_server_s_setting_and_the_shortest_counts() {
        let queue = |name: &str, policy: u64, argument: u64| {
            json!({"name": name, "effective_policy_definition": {"consumer-timeout": policy},
                   "arguments": {"x-consumer-timeout": argument}})
        };
        let bare = |name: &str| json!({"name": name, "effective_policy_definition": {}, "arguments": {}});
        let server = (60, "in rabbitmq.conf".to_owned());
        let new = Some((3, 13));
        let seconds = |queues: &[Value], server, version| effective(queues, server, version).map(|set| set.0);
        let both = [queue("periodic", 3_600_000, 7_200_000), queue("adhoc", 5_400_000, 5_400_000)];
        assert_eq!(seconds(&both, Some(&server), new), Some(3600), "a longer one of each queue");
        assert_eq!(seconds(&both, Some(&server), Some((3, 10))), Some(60), "before queues had any");
        let one = [queue("periodic", 3_600_000, 7_200_000), bare("adhoc")];
        assert_eq!(seconds(&one, Some(&server), new), Some(60), "adhoc has the server's");
        assert_eq!(seconds(&one, None, new), None, "which may be the shorter one");
        let short = [queue("periodic", 100_000, 7_200_000), bare("adhoc")];
        assert_eq!(seconds(&short, None, new), Some(100));
        assert_eq!(seconds(&[], Some(&server), None), Some(60));
    }

    #[test]
    fn files_of_a_node_elsewhere_are_not_ours_to_read() {
        assert!(runs_on("rabbit@Host-1", "host-1.example.com", false));
        assert!(!runs_on("rabbit@host-2", "host-1", true));
        assert!(runs_on("rabbit@localhost", "host-1", true) && !runs_on("rabbit@localhost", "host-1", false));
        assert!(!runs_on("nonsense", "", true));
    }

    #[test]
    fn both_kinds_of_configuration_are_read_and_comments_are_not() {
        assert_eq!(in_configuration("# consumer_timeout = 5000\nconsumer_timeout = 90000\n"), Some(90));
        assert_eq!(in_configuration("[{rabbit, [\n  {consumer_timeout, 60000}\n]}]."), Some(60));
        assert_eq!(in_configuration("[{rabbit, [{consumer_timeout, undefined}]}]."), None);
        assert_eq!(in_configuration("listeners.tcp.default = 5672\n%% {consumer_timeout, 1}"), None);
    }
}
