use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use testbed::{Proxy, RabbitMq, psql};

use super::plan::{Fault, Kind};
use super::stage::{Member, Stage};

/// How much further away a slow server is.
const SLOW: Duration = Duration::from_millis(50);

/// How long RabbitMQ may take to accept poison.
const PLANTING: Duration = Duration::from_secs(60);

impl Stage {
    /// Makes a fault happen.
    pub(crate) fn strike(&self, fault: &Fault) -> Result<()> {
        match fault.kind {
            Kind::KillWorker | Kind::KillBeat => {
                let member = self.victim(fault);
                member.signal(testbed::Process::kill)?;
                member.bury()?;
            }
            Kind::HangWorker => self.hang_in_a_run(self.victim(fault))?,
            Kind::HangBeat => self.victim(fault).signal(testbed::Process::stop)?,
            Kind::KillNode => self.node(fault).kill()?,
            Kind::RestartNode => self.node(fault).restart()?,
            Kind::HangNode => self.node(fault).freeze()?,
            Kind::CutNode => self.node_proxies.iter().for_each(Proxy::cut),
            Kind::VanishNode => self.node_proxy(fault).drop_packets(),
            Kind::SlowNode => self.node_proxies.iter().for_each(|proxy| proxy.slow_down(SLOW)),
            Kind::BlockPublishers => self.node(fault).set_memory_alarm(true)?,
            Kind::RestartPostgres => self.postgres.restart()?,
            Kind::KillPostgres => self.postgres.kill()?,
            Kind::CutPostgres => self.postgres_proxy.cut(),
            Kind::VanishPostgres => self.postgres_proxy.drop_packets(),
            Kind::SlowPostgres => self.postgres_proxy.slow_down(SLOW),
            Kind::KillRedis => self.redis.node(fault.victim % 6).kill()?,
            Kind::HangRedis => self.redis.node(fault.victim % 6).freeze()?,
            Kind::PlantPoison => self.plant(fault.victim)?,
        }
        Ok(())
    }

    /// Puts an end to it.
    pub(crate) fn heal(&self, fault: &Fault) -> Result<()> {
        match fault.kind {
            Kind::KillWorker | Kind::KillBeat => self.start(self.victim(fault))?,
            Kind::HangWorker | Kind::HangBeat => self.victim(fault).signal(testbed::Process::cont)?,
            Kind::KillNode => self.node(fault).restart()?,
            Kind::HangNode => self.node(fault).thaw()?,
            Kind::VanishNode => self.node_proxy(fault).heal(),
            Kind::SlowNode => self.node_proxies.iter().for_each(|proxy| proxy.slow_down(Duration::ZERO)),
            Kind::BlockPublishers => self.node(fault).set_memory_alarm(false)?,
            Kind::KillPostgres => self.postgres.restart()?,
            Kind::VanishPostgres => self.postgres_proxy.heal(),
            Kind::SlowPostgres => self.postgres_proxy.slow_down(Duration::ZERO),
            Kind::KillRedis => self.redis.node(fault.victim % 6).restart()?,
            Kind::HangRedis => self.redis.node(fault.victim % 6).thaw()?,
            Kind::RestartNode
            | Kind::CutNode
            | Kind::RestartPostgres
            | Kind::CutPostgres
            | Kind::PlantPoison => {}
        }
        Ok(())
    }

    /// Stops a worker when it has an account, if it has one soon: what it does when it goes on is of interest then.
    fn hang_in_a_run(&self, worker: &Member) -> Result<()> {
        let id = worker.process().as_ref().map(testbed::Process::id);
        let until_it_has_one = format!(
            "DO $$ BEGIN FOR n IN 1..500 LOOP
                 EXIT WHEN EXISTS (SELECT FROM tradingdb.account_sync_state WHERE lease_worker LIKE '%-{}');
                 PERFORM pg_sleep(0.01);
             END LOOP; END $$",
            id.unwrap_or_default()
        );
        // Where PostgreSQL is away, it hangs without one.
        drop(psql(&self.database_url, &["-c", &until_it_has_one]));
        worker.signal(testbed::Process::stop)
    }

    fn victim(&self, fault: &Fault) -> &Member {
        let members = match fault.kind {
            Kind::KillBeat | Kind::HangBeat => &self.beats,
            _ => &self.workers,
        };
        &members[fault.victim % members.len()]
    }

    fn node(&self, fault: &Fault) -> &RabbitMq {
        let nodes = self.rabbitmq.nodes();
        &nodes[fault.victim % nodes.len()]
    }

    fn node_proxy(&self, fault: &Fault) -> &Proxy {
        &self.node_proxies[fault.victim % self.node_proxies.len()]
    }

    /// Messages that are no jobs: each is to become a dead letter, and nothing else is to.
    fn plant(&self, count: usize) -> Result<()> {
        for number in 0..=count {
            let properties = json!({ "delivery_mode": 2, "content_type": "application/json", "headers": { "task": "poison", "id": format!("poison-{number}") } });
            let plant =
                || self.through_any(|vhost| vhost.publish("", "periodic", &properties, b"[[], {}, {}]"));
            let begun = Instant::now();
            // A queue that has just lost a member takes nothing for a moment.
            while let Err(error) = plant() {
                if begun.elapsed() > PLANTING {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(500));
            }
        }
        Ok(())
    }
}

/// Messages that a fault plants.
pub(crate) fn planted(fault: &Fault) -> usize {
    if fault.kind == Kind::PlantPoison { fault.victim + 1 } else { 0 }
}
