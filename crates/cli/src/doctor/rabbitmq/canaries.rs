use queue::{Canaries, Canary};

use crate::doctor::finding::Finding;

/// What became of the messages that were sent for trial.
pub(super) fn judge(canaries: &Canaries) -> Vec<Finding> {
    let mut findings = vec![match &canaries.confirmed {
        Ok(()) => Finding::ok("confirms", "RabbitMQ confirms what is published"),
        Err(why) => {
            let mend = "without confirms no job is ever acked: see RabbitMQ's log and its alarms";
            Finding::serious("confirms", format!("RabbitMQ confirmed no message: {why}"), mend)
        }
    }];
    let canaries = &canaries.steps;
    let is_back = |canary: &Canary| matches!(canary, Canary::Back(_));
    let back = canaries.iter().filter(|(_, _, canary)| is_back(canary)).count();
    for (step, _, canary) in canaries {
        if let Canary::Lost(why) = canary {
            findings.push(Finding::serious(
                format!("canary_{step}"),
                format!("a message through {step} was lost: {why}"),
                "retries take this way: see that the step's queue and exchange are as they should be, that its queue has a leader (`rabbitmq-queues quorum_status`), and that our user may publish to it",
            ));
        }
    }
    let in_use: Vec<&str> = canaries
        .iter()
        .filter(|(_, _, canary)| *canary == Canary::InUse)
        .map(|(step, ..)| step.as_str())
        .collect();
    if !in_use.is_empty() {
        let text = format!("in use, so judged by their arguments only: {}", in_use.join(", "));
        findings.push(Finding::ok("delay_steps_in_use", text));
    }
    if back > 0 {
        let slowest = canaries.iter().filter_map(|(_, _, canary)| match canary {
            Canary::Back(after) => Some(*after),
            _ => None,
        });
        let slowest = slowest.max().unwrap_or_default();
        let text = format!(
            "{back} messages went through as many delay steps, the last after {:.1} s",
            slowest.as_secs_f64()
        );
        findings.push(Finding::ok("canary", text));
    }
    findings
}
