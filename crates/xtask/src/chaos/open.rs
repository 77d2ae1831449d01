use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use super::rows::text;
use super::stage::Stage;

impl Stage {
    /// For whoever looks for a job that did not end: what RabbitMQ holds, and what jobs were last seen waiting for.
    pub(super) fn say_what_is_open(&self) -> Result<()> {
        let queues =
            self.through_any(|vhost| vhost.api("GET", &format!("/api/queues/{}", vhost.name()), None))?;
        let count = |queue: &Value, of: &str| queue[of].as_u64().unwrap_or_default();
        for queue in queues.as_array().into_iter().flatten() {
            let (all, unacked) = (count(queue, "messages"), count(queue, "messages_unacknowledged"));
            let on_their_way = count(queue, "messages_dlx");
            if all + on_their_way > 0 {
                println!(
                    "  {}: {all} messages, {unacked} of them unacked, and {on_their_way} on their way to another queue",
                    text(queue, "name")
                );
            }
        }
        let ended: BTreeSet<String> = self.ended()?;
        let waits = self.json(
            "SELECT job_id AS id, state, reason, noted_at AS at, due_at AS due FROM tradingdb.waiting_jobs",
        )?;
        for wait in waits.iter().filter(|wait| !ended.contains(&text(wait, "id"))) {
            println!("  job {}: {wait}", text(wait, "id"));
        }
        Ok(())
    }
}
