//! Pages of payments: the query that a page token belongs to, and where a page ends.

use kit_database::{from_micros, micros};
use kit_rpc::page;

use crate::domain::payment::{Cursor, Payment, Range};

/// The list that a page token is for.
pub(super) fn query(range: &Range) -> String {
    let limits = [range.start, range.end].map(|limit| limit.map(micros));
    format!("ListPayments {limits:?}")
}

/// The token of the page behind `last`; empty if there is none.
pub(super) fn token(range: &Range, last: Option<&Payment>) -> String {
    let cursor = |last: &Payment| format!("{}/{}", micros(last.created_at), last.key);
    last.map(|last| page::next_token(&query(range), &cursor(last))).unwrap_or_default()
}

/// Reads where a page ends.
pub(super) fn cursor(text: &str) -> Result<Cursor, &'static str> {
    let cursor = text.split_once('/').and_then(|(created_at, key)| {
        let created_at = from_micros(created_at.parse().ok()?);
        Some(Cursor { created_at, key: key.parse().ok()? })
    });
    cursor.ok_or("must be empty or the next_page_token of the same query")
}
