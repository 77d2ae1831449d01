//! What a key is set to: a row, or a list of rows. One row is in several lists; its text is shared by all of them, and put together with
//! its neighbours' only when it is sent.

use std::fmt;
use std::sync::Arc;

use redis::{RedisWrite, ToRedisArgs};

use crate::snapshot::Row;

const OPEN: &str = "[";
const BETWEEN: &str = ", ";
const CLOSE: &str = "]";

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// One row.
    Row(Arc<str>),
    /// Rows as a JSON list.
    List(Vec<Arc<str>>),
}

impl Text {
    /// The rows as one list by ascending id.
    pub(crate) fn list<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut rows: Vec<&Row> = rows.into_iter().collect();
        rows.sort_by_key(|row| (row.id.is_none(), row.id));
        Self::List(rows.into_iter().map(|row| Arc::clone(&row.json)).collect())
    }

    /// Bytes of the whole.
    pub(crate) fn len(&self) -> usize {
        self.pieces().map(str::len).sum()
    }

    /// The rows of it, or the one.
    pub(crate) fn rows(&self) -> &[Arc<str>] {
        match self {
            Self::Row(row) => std::slice::from_ref(row),
            Self::List(rows) => rows,
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::List(_))
    }

    fn pieces(&self) -> impl Iterator<Item = &str> {
        let rows = self.rows().iter().enumerate().flat_map(|(index, row)| {
            let before = if index == 0 { "" } else { BETWEEN };
            [before, row]
        });
        let (open, close) = if self.is_list() { (OPEN, CLOSE) } else { ("", "") };
        std::iter::once(open).chain(rows).chain(std::iter::once(close))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().try_for_each(|piece| f.write_str(piece))
    }
}

impl ToRedisArgs for Text {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.reserve_space_for_args([self.len()]);
        out.write_arg_fmt(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: Option<i64>, json: &str) -> Row {
        Row { id, json: json.into(), ..Row::default() }
    }

    #[test]
    fn a_list_is_by_id_and_rows_without_one_come_last() {
        let rows = [row(None, "c"), row(Some(2), "b"), row(Some(1), "a")];
        let list = Text::list(&rows);
        assert_eq!((list.to_string().as_str(), list.len()), ("[a, b, c]", 9));
        assert_eq!(Text::list([]).to_string(), "[]");
    }

    #[test]
    fn what_is_sent_is_the_whole_as_one_argument() {
        for text in [Text::list(&[row(Some(1), "{}"), row(Some(2), "{}")]), Text::Row("{}".into())] {
            assert_eq!(text.to_redis_args(), [text.to_string().into_bytes()]);
        }
    }
}
