use std::time::Duration;

use cache::{Cache, CacheConfig, CacheError, NodeFacts};
use chrono::Utc;
use secrecy::SecretString;
use service::RedisArgs;

use super::Looked;
use super::clocks::Lead;
use super::finding::Finding;
use crate::servers::Servers;

/// How long Redis may take over one operation.
const REDIS_LIMIT: Duration = Duration::from_secs(4);
/// What is older has no `GETEX`, `COPY` and the like, and no care taken of it any more.
const VERSION_MIN: u32 = 6;

/// Looks at the Redis that workers with these settings use.
pub(super) async fn look(arguments: &RedisArgs, servers: &Servers, looked: &mut Looked) {
    let wanted = arguments.cluster_hosts();
    let config = CacheConfig {
        redis_url: SecretString::from(arguments.redis_url.expose().to_owned()),
        cluster_hosts: wanted.clone(),
        certificates: servers.certificates.clone(),
        pool_size: 2,
        timeout: REDIS_LIMIT,
    };
    let mend = "see whether Redis runs, and what REDIS_URL, ENVIRONMENT and REDIS_CLUSTER_HOSTS say";
    let cache = match Cache::connect(config).await {
        Ok(cache) => cache,
        Err(error) => {
            return looked.findings.push(Finding::serious("redis", pipeline::chain(&error), mend));
        }
    };
    let findings = &mut looked.findings;
    findings.push(mode(&wanted, cache.redis_type(), arguments));
    // The first operation connects, which would blur the clock.
    let look_twice = async || {
        Box::pin(cache.facts()).await?;
        let asked = Utc::now();
        Ok::<_, CacheError>((asked, Box::pin(cache.facts()).await?))
    };
    let (asked, facts) = match look_twice().await {
        Ok(found) => found,
        Err(error) => return findings.push(Finding::serious("redis", pipeline::chain(&error), mend)),
    };
    // A whole checkup lies between the two: it is counted as what the answer took.
    looked.lead = facts.now.map(|now| Lead::of(now, asked, Utc::now()));
    findings.extend([versions(&facts.nodes), persistence(&facts.nodes), eviction(&facts.nodes)]);
    if facts.nodes.iter().any(|node| node.is_replica) && facts.redis_type == "single" {
        let mend = "let REDIS_URL name the master";
        findings.push(Finding::serious("redis_master", "it is a replica", mend));
    }
}

fn mode(wanted: &[String], used: &str, arguments: &RedisArgs) -> Finding {
    match (wanted.is_empty(), used) {
        (false, "single") => Finding::serious(
            "redis_mode",
            "a Cluster is wanted and cannot be reached: workers that start now use single Redis",
            "see whether the nodes of REDIS_CLUSTER_HOSTS run and reach each other",
        ),
        (false, _) => Finding::ok("redis_mode", format!("Cluster of {}", wanted.join(", "))),
        (true, _) if !arguments.redis_cluster_hosts.is_empty() => Finding::warning(
            "redis_mode",
            format!(
                "single Redis, though REDIS_CLUSTER_HOSTS names nodes: ENVIRONMENT is {}",
                arguments.environment
            ),
            "set ENVIRONMENT=production to use the Cluster, or leave REDIS_CLUSTER_HOSTS out",
        ),
        (true, _) => Finding::ok("redis_mode", "single Redis"),
    }
}

fn versions(nodes: &[NodeFacts]) -> Finding {
    let mut versions: Vec<&str> = nodes.iter().map(|node| node.version.as_str()).collect();
    versions.dedup();
    let text = format!("Redis {}, writes are taken", versions.join(", "));
    let is_old = |version: &&&str| {
        version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok())
            .is_some_and(|major| major < VERSION_MIN)
    };
    match versions.iter().find(is_old) {
        Some(version) => Finding::warning("redis", format!("Redis {version} is old"), "use Redis 6 or later"),
        None => Finding::ok("redis", text),
    }
}

fn persistence(nodes: &[NodeFacts]) -> Finding {
    let has_none = |node: &NodeFacts| !node.has_log && node.has_snapshots != Some(true);
    if !nodes.iter().any(has_none) {
        return Finding::ok("redis_persistence", "what is written outlasts a restart");
    }
    let text = match nodes.iter().any(|node| has_none(node) && node.has_snapshots.is_none()) {
        true => "no append-only file, and whether there are snapshots Redis does not say",
        false => "neither an append-only file nor snapshots: a restart empties it",
    };
    Finding::warning(
        "redis_persistence",
        text,
        "`appendonly yes` in redis.conf; after a restart without it, `syncfleet sync --all --force` writes all snapshots anew",
    )
}

fn eviction(nodes: &[NodeFacts]) -> Finding {
    let evicts = |node: &&NodeFacts| node.memory_limit > 0 && node.eviction != "noeviction";
    match nodes.iter().find(evicts) {
        Some(node) => Finding::warning(
            "redis_eviction",
            format!(
                "maxmemory-policy is {}: snapshots and rate limits may be dropped when memory is short",
                node.eviction
            ),
            "`maxmemory-policy noeviction`, and memory enough",
        ),
        None => Finding::ok("redis_eviction", "nothing is dropped for want of memory"),
    }
}
