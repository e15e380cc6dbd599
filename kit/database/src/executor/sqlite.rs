//! Running a statement on SQLite.

use futures_util::TryStreamExt as _;
use sqlx::{
    Either, Executor as _, SqliteConnection,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::query::{Access, Done};
use crate::Sqlite;

/// Where it runs.
pub(super) enum Target<'a> {
    Database(&'a Sqlite),
    Transaction(&'a mut SqliteConnection),
}

impl Target<'_> {
    pub(super) async fn run(
        self,
        text: &'static str,
        arguments: SqliteArguments,
        access: Access,
    ) -> Result<Done<SqliteRow>, sqlx::Error> {
        match (self, access) {
            (Self::Database(database), Access::Read) => {
                run(&mut *database.read.acquire().await?, text, arguments).await
            }
            (Self::Database(database), Access::Write) => {
                run(&mut *database.write.acquire().await?, text, arguments).await
            }
            (Self::Transaction(connection), _) => run(connection, text, arguments).await,
        }
    }
}

/// Reads to the end of the statement, with which the error of its commit comes. Not
/// `fetch_optional`: sqlx 0.9.0 ends the statement after its first row then, and drops that error.
/// The change would be lost although it was acknowledged.
async fn run(
    connection: &mut SqliteConnection,
    text: &'static str,
    arguments: SqliteArguments,
) -> Result<Done<SqliteRow>, sqlx::Error> {
    let mut done = Done::default();
    let mut steps = connection.fetch_many(sqlx::query_with(text, arguments));
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(ended) => done.affected = Some(ended.rows_affected()),
            Either::Right(row) => done.rows.push(row),
        }
    }
    Ok(done)
}
