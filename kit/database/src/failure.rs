//! Whether a failed statement may work in a moment.

use crate::metrics::FAILURES;

/// SQLite's primary result codes for what passes or is mended without us: busy, locked, read-only,
/// an input/output error, a full disk, a file that cannot be opened.
const SQLITE_PASSING: [i64; 6] = [5, 6, 8, 10, 13, 14];

/// PostgreSQL's classes and states for the same: connection lost, serialization failure, deadlock,
/// out of resources, cancelled or shut down by an operator, a row that stayed locked for too long, a
/// transaction of ours that stood still for too long, read-only after a failover.
const POSTGRES_PASSING: [&str; 8] = ["08", "40", "53", "57", "58", "55P03", "25P03", "25006"];

/// A statement that the database did not carry out, or did without our learning of it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database cannot be reached, or is busy, full or read-only for now.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A fault in a statement or in what is stored.
    #[error("the database refused a statement")]
    Broken(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let is_passing = is_passing(&error);
        let kind = match error {
            sqlx::Error::PoolTimedOut => "no_connection",
            _ if is_passing => "unavailable",
            _ => "broken",
        };
        FAILURES.add(1, [kind]);
        if is_passing { Self::Unavailable(error) } else { Self::Broken(error) }
    }
}

impl Failure {
    /// Whether the statement is likely to work in a moment.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Whether it is likely to work in a moment.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        // What sqlx says of a server that accepts a connection and hangs up, as a proxy in front of
        // one that is down does.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| {
            if refusal.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                // The low byte of an extended code is the primary one.
                code.parse::<i64>().is_ok_and(|code| SQLITE_PASSING.contains(&(code & 0xff)))
            } else {
                POSTGRES_PASSING.iter().any(|passing| code.starts_with(passing))
            }
        }),
        _ => false,
    }
}
