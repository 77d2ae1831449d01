//! The pure Celery wire format: job messages and results.
//!
//! Protocol 2 in both directions and protocol 1 inwards, as Celery 5.2 to 5.7 speak them over AMQP. No I/O, no
//! clock, no AMQP types: [`decode()`] takes an [`Envelope`] of plain strings and JSON and never panics, whatever is
//! in it; what it refuses is a [`DecodeError`] with a stable [`Reason`].

mod arguments;
mod body;
mod compression;
mod control;
mod decode;
mod encode;
mod error;
mod event;
mod field;
mod message;
mod repr;
mod sequel;
mod signature;
mod time;

pub mod result;

pub use arguments::{BadArguments, Parameters, bind};
pub use body::{BODY_LIMIT, VALUES_LIMIT, read_json};
pub use control::{
    ANSWER_EXCHANGE, AnswerTo, CONTROL_EXCHANGE, ControlRequest, decode_answer, decode_control,
    encode_answer, encode_control,
};
pub use decode::{decode, reads_header};
pub use encode::{Encoded, NewTask, encode};
pub use error::{DecodeError, Reason};
pub use event::{BATCH_ROUTING_KEY, EVENT_EXCHANGE, Event, HEARTBEAT_SECONDS, Stamp, WorkerIs, WorkerLoad};
pub use field::{ENQUEUED_AT, REPLAYED_AT, is_name};
pub use message::{Embed, Envelope, TaskMessage};
pub use repr::repr_str;
pub use sequel::{FollowUp, Sequel, UnsupportedCanvas, Waiting, after_failure, waiting};
pub use time::{epoch_seconds, format_time, parse_time};
