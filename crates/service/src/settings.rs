use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::secret::SecretUrl;
use crate::tls::TlsArgs;
use crate::values::{self, CheckHours, RabbitUrlList};

/// Where PostgreSQL and RabbitMQ are, and whose the rows are that name nobody: what every program needs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Servers")]
pub struct Connections {
    /// PostgreSQL
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", global = true,
          default_value = "postgres://localhost:5432/syncfleet", value_parser = values::postgres_url)]
    pub database_url: SecretUrl,
    /// RabbitMQ; several servers of one cluster separated by commas
    #[arg(long, env = "RABBITMQ_URL", hide_env_values = true, value_name = "URLS", global = true,
          default_value = "amqp://guest:guest@localhost:5672/%2f", value_parser = values::rabbit_urls)]
    pub rabbitmq_url: RabbitUrlList,
    /// The organization of rows that name none
    #[arg(long, env = "DEFAULT_ORGANIZATION_ID", value_name = "ID", global = true, default_value = "default",
          value_parser = values::name)]
    pub default_organization_id: String,
    /// How the servers are checked.
    #[command(flatten)]
    pub tls: TlsArgs,
}

/// For how long a program that runs on its own goes without its servers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Servers")]
pub struct PatienceArgs {
    /// A program ends with exit code 69 when a server it needs to start is not there for this long, or RabbitMQ later: its
    /// supervisor is to start it anew
    #[arg(long, env = "GIVE_UP_SECONDS", value_name = "SECONDS", default_value = "300",
          value_parser = values::seconds)]
    pub give_up_seconds: Duration,
}

/// RabbitMQ's management API.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Servers")]
pub struct ManagementArgs {
    /// RabbitMQ's management API: with it `queue status` tells unacknowledged messages too
    #[arg(long, env = "RABBITMQ_MANAGEMENT_URL", hide_env_values = true, value_name = "URL", global = true,
          default_value = "", value_parser = parse_management_url)]
    pub rabbitmq_management_url: ManagementUrl,
}

/// The management API, or none.
#[derive(Debug, Clone)]
pub struct ManagementUrl(pub Option<SecretUrl>);

fn parse_management_url(text: &str) -> Result<ManagementUrl, String> {
    if text.is_empty() {
        Ok(ManagementUrl(None))
    } else {
        values::http_url(text).map(|url| ManagementUrl(Some(url)))
    }
}

/// Where Redis is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis")]
pub struct RedisArgs {
    /// Redis
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL",
          default_value = "redis://localhost:6379/0", value_parser = values::redis_url)]
    pub redis_url: SecretUrl,
    /// `production` with REDIS_CLUSTER_HOSTS uses the Redis Cluster
    #[arg(long, env = "ENVIRONMENT", value_name = "NAME", default_value = "local")]
    pub environment: String,
    /// Nodes of a Redis Cluster
    #[arg(long, env = "REDIS_CLUSTER_HOSTS", value_name = "HOST:PORT,…", default_value = "",
          value_parser = parse_hosts)]
    pub redis_cluster_hosts: ClusterHosts,
}

/// Nodes of a Redis Cluster, perhaps none.
#[derive(Debug, Clone)]
pub struct ClusterHosts(Vec<String>);

fn parse_hosts(text: &str) -> Result<ClusterHosts, String> {
    values::cluster_hosts(text).map(ClusterHosts)
}

impl ClusterHosts {
    /// Whether none are named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl RedisArgs {
    /// The nodes of the Redis Cluster that the settings ask for; empty: single Redis.
    pub fn cluster_hosts(&self) -> Vec<String> {
        if self.environment == "production" { self.redis_cluster_hosts.0.clone() } else { Vec::new() }
    }
}

/// What a sync does.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sync")]
pub struct SyncArgs {
    /// Whether positions and holdings are generated from orders
    #[arg(long, env = "POSITION_GENERATION_ENABLED", value_name = "BOOL", default_value = "true",
          value_parser = values::boolean, action = clap::ArgAction::Set)]
    pub position_generation_enabled: bool,
    /// Positions are generated anew after this long; new or changed fills always make it due
    #[arg(long, env = "POSITION_GENERATION_MINUTES", value_name = "MINUTES", default_value = "60",
          value_parser = values::minutes)]
    pub position_generation_minutes: Duration,
    /// Whether outcomes are published on the exchange sync_notifications
    #[arg(long, env = "RABBITMQ_NOTIFICATIONS_ENABLED", value_name = "BOOL", default_value = "true",
          value_parser = values::boolean, action = clap::ArgAction::Set)]
    pub rabbitmq_notifications_enabled: bool,
}

/// What a tick publishes; also what a worker does with a job for all accounts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schedule")]
pub struct FanOutArgs {
    /// Seconds between ticks, and how long a job of a tick is worth running
    #[arg(long, env = "SYNC_INTERVAL_SECONDS", value_name = "SECONDS", default_value = "300",
          value_parser = values::seconds)]
    pub sync_interval_seconds: Duration,
    /// Spreads the jobs of a tick: each account is due at its own stable offset within this many seconds
    #[arg(long, env = "BEAT_SPREAD_SECONDS", value_name = "SECONDS", default_value = "0",
          value_parser = values::seconds_or_zero)]
    pub beat_spread_seconds: Duration,
    /// An account's brokerage is looked at when its last look is this long ago; 0: at every tick
    #[arg(long, env = "EXTERNAL_ORDER_CHECK_MINUTES", value_name = "MINUTES", default_value = "30",
          value_parser = values::minutes)]
    pub external_order_check_minutes: Duration,
    /// Brokerages are looked at between these times of trading days only, IST; nothing: always
    #[arg(long, env = "EXTERNAL_ORDER_CHECK_HOURS", value_name = "HH:MM-HH:MM", default_value = "",
          value_parser = parse_hours)]
    pub external_order_check_hours: MaybeHours,
}

/// What the beat does beside.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Beat")]
pub struct BeatArgs {
    /// What becomes of ticks that no beat was there for
    #[arg(long, env = "BEAT_CATCH_UP", value_name = "POLICY", default_value = "latest")]
    pub beat_catch_up: CatchUp,
    /// How long ticks and outcomes are kept
    #[arg(long, env = "RETENTION_DAYS", value_name = "DAYS", default_value = "30", value_parser = values::days)]
    pub retention_days: u32,
}

/// Hours, or always (a type of its own, because clap gives `Option` another meaning).
#[derive(Debug, Clone, Copy)]
pub struct MaybeHours(pub Option<CheckHours>);

fn parse_hours(text: &str) -> Result<MaybeHours, String> {
    values::check_hours(text).map(MaybeHours)
}

/// What becomes of missed ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CatchUp {
    /// They stay missed; the next tick comes at its time.
    Skip,
    /// The latest one is published at once.
    Latest,
    /// All are published, oldest first.
    All,
}

impl CatchUp {
    /// The value of `BEAT_CATCH_UP`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }
}

/// What a worker does.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Worker")]
pub struct WorkerArgs {
    /// Jobs that run at the same time [default: 64 × cores, at most 512]; adhoc has a tenth more of its own
    #[arg(long, env = "WORKER_CONCURRENCY", value_name = "N", value_parser = values::slots)]
    pub worker_concurrency: Option<usize>,
    /// Queues to consume
    #[arg(long, env = "WORKER_QUEUES", value_name = "NAMES", default_value = "periodic,adhoc",
          value_parser = parse_queues)]
    pub worker_queues: QueueNames,
    /// The worker's name, unique in the fleet [default: syncfleet@<host>-<pid>]
    #[arg(long, env = "WORKER_NAME", value_name = "NAME", value_parser = values::name)]
    pub worker_name: Option<String>,
    /// Longest run of one attempt
    #[arg(long, env = "JOB_TIME_LIMIT_SECONDS", value_name = "SECONDS", default_value = "240",
          value_parser = values::seconds)]
    pub job_time_limit_seconds: Duration,
    /// Workers that may die while they run one job; then it is a dead letter
    #[arg(long, env = "CRASH_LIMIT", value_name = "N", default_value = "5", value_parser = values::count)]
    pub crash_limit: u32,
    /// How long running jobs may go on after SIGTERM or SIGINT; a second signal ends at once
    #[arg(long, env = "SHUTDOWN_GRACE_SECONDS", value_name = "SECONDS", default_value = "25",
          value_parser = values::seconds_or_zero)]
    pub shutdown_grace_seconds: Duration,
}

/// Names of work queues.
#[derive(Debug, Clone)]
pub struct QueueNames(pub Vec<String>);

fn parse_queues(text: &str) -> Result<QueueNames, String> {
    values::queues(text).map(QueueNames)
}

/// How failed jobs come back.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Retry")]
pub struct RetryArgs {
    /// Delay before the first retry
    #[arg(long, env = "RETRY_INITIAL_SECONDS", value_name = "SECONDS", default_value = "5",
          value_parser = values::fractional_seconds)]
    pub retry_initial_seconds: Duration,
    /// What each further delay is multiplied by
    #[arg(long, env = "RETRY_MULTIPLIER", value_name = "FACTOR", default_value = "2",
          value_parser = values::multiplier)]
    pub retry_multiplier: f64,
    /// Longest delay, before jitter
    #[arg(long, env = "RETRY_MAX_SECONDS", value_name = "SECONDS", default_value = "300",
          value_parser = values::fractional_seconds)]
    pub retry_max_seconds: Duration,
    /// Each delay is drawn from delay × (1 ± jitter)
    #[arg(long, env = "RETRY_JITTER", value_name = "FRACTION", default_value = "0.5",
          value_parser = values::jitter)]
    pub retry_jitter: f64,
    /// Retries after the first attempt; then the job is a dead letter
    #[arg(long, env = "RETRY_MAX", value_name = "N", default_value = "5", value_parser = values::count)]
    pub retry_max: u32,
}

/// Where results for Celery clients go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Results")]
pub struct ResultArgs {
    /// Redis for Celery results [default: REDIS_URL], or rpc:// for answers through RabbitMQ; empty: no results
    #[arg(long, env = "RESULT_BACKEND_URL", hide_env_values = true, value_name = "URL",
          value_parser = values::result_url)]
    pub result_backend_url: Option<ResultUrl>,
    /// How long results are kept
    #[arg(long, env = "RESULT_TTL_SECONDS", value_name = "SECONDS", default_value = "86400",
          value_parser = values::seconds)]
    pub result_ttl_seconds: Duration,
    /// Tell those who wait for a result when its job starts (task_track_started in Celery)
    #[arg(long, env = "RESULT_TRACK_STARTED", value_name = "BOOL", default_value = "false",
          action = clap::ArgAction::Set, value_parser = values::boolean)]
    pub result_track_started: bool,
}

/// A result backend, or none.
#[derive(Debug, Clone)]
pub enum ResultUrl {
    /// No results.
    Disabled,
    /// Redis.
    Redis(SecretUrl),
    /// The queues in which clients wait.
    Rpc,
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Slots of a worker that is not told how many: jobs mostly wait for servers, and those that wait at the same time share
/// statements and round trips. With 128 on two cores they share most of what can be shared.
pub fn default_slots() -> usize {
    (64 * cores()).min(512)
}

/// Connections to PostgreSQL that a worker with so many slots needs: a job holds one only while a statement or a transaction runs,
/// and of those that run several only six a core, `adhoc` included, are under way.
pub fn postgres_pool_size(slots: usize) -> u32 {
    u32::try_from(slots.min(8 * cores())).unwrap_or(u32::MAX).clamp(4, 32)
}
