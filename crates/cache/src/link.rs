use deadpool_redis::Connection;
use futures_util::{StreamExt, TryStreamExt, stream};
use redis::aio::ConnectionLike;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Arg, Cmd, FromRedisValue, Pipeline, RedisResult, Value};

use crate::CacheError;

/// Commands sent before the first answer is awaited: enough to hide the round trip, few enough that
/// neither side holds an account's whole history in its buffers. On its way to single Redis a batch is held three times, and
/// each connection keeps a buffer of the largest that it has sent.
const BATCH_COMMANDS_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 128 * 1024;

/// Commands, each made when its turn comes: they are not all held at once.
pub(crate) type Commands<'a> = Box<dyn Iterator<Item = Cmd> + Send + 'a>;

/// A connection for the length of one operation.
pub(crate) enum Link {
    /// One server; the connection is ours alone, so `WATCH` and `MULTI` work on it.
    Single(Connection),
    /// A Cluster; the connection is shared and sends each command to the node that has its key.
    Cluster {
        connection: ClusterConnection,
        /// Which of the connections made so far it is, for [`Cluster::replace`].
        ///
        /// [`Cluster::replace`]: crate::cluster::Cluster::replace
        generation: u64,
    },
}

impl Link {
    /// Sends one command.
    pub(crate) async fn one<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster { connection, .. } => command.query_async(connection).await,
        }
    }

    /// Asks the server, or every master, for an answer.
    pub(crate) async fn ping(&mut self, doing: &'static str) -> Result<(), CacheError> {
        let pong: RedisResult<String> = self.one(&redis::cmd("PING")).await;
        pong.map(drop).map_err(|error| CacheError::redis(doing, error))
    }

    /// Sends many commands that do not depend on one another, each for one key; the answers come in their order.
    pub(crate) async fn many(&mut self, commands: Commands<'_>) -> RedisResult<Vec<Value>> {
        match self {
            Self::Single(connection) => pipelined(connection, commands).await,
            Self::Cluster { connection, .. } => routed(connection, commands).await,
        }
    }
}

/// Sends commands in their order. An error of one is an error of the whole.
pub(crate) async fn pipelined(
    connection: &mut impl ConnectionLike,
    commands: Commands<'_>,
) -> RedisResult<Vec<Value>> {
    let mut answers = Vec::new();
    let mut batch = Pipeline::new();
    let mut bytes = 0;
    for command in commands {
        bytes += size(&command);
        batch.add_command(command);
        if bytes >= BATCH_BYTES_MAX || batch.len() >= BATCH_COMMANDS_MAX {
            answers.extend(batch.query_async::<Vec<Value>>(connection).await?);
            batch.clear();
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        answers.extend(batch.query_async::<Vec<Value>>(connection).await?);
    }
    Ok(answers)
}

/// A pipeline of the client library goes to one slot, and an account's keys are in as many slots as
/// there are keys. Commands on their own are routed and redirected one by one, and those for the same
/// node share its connection, so they are pipelined all the same.
async fn routed(connection: &ClusterConnection, commands: Commands<'_>) -> RedisResult<Vec<Value>> {
    stream::iter(commands)
        .map(|command| {
            let mut connection = connection.clone();
            async move {
                let route = master_of(&command);
                // Handed over whole: `query_async` would copy the value once more.
                connection.route_command(command, route).await?.extract_error()
            }
        })
        .buffered(BATCH_COMMANDS_MAX)
        .try_collect()
        .await
}

/// The master of the key, which is the first argument, or of a script the first after its text and the number of keys.
fn master_of(command: &Cmd) -> RoutingInfo {
    let mut arguments = command.args_iter();
    let name = arguments.next();
    let is_script = matches!(name, Some(Arg::Simple(name)) if name == b"EVAL");
    let route = match arguments.nth(if is_script { 2 } else { 0 }) {
        Some(Arg::Simple(key)) => SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master)),
        _ => SingleNodeRoutingInfo::RandomPrimary,
    };
    RoutingInfo::SingleNode(route)
}

fn size(command: &Cmd) -> usize {
    let sizes = command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => bytes.len(),
        _ => 0,
    });
    sizes.sum()
}
