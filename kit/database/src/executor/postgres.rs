//! Running a statement on PostgreSQL: one round trip. A connection that turns out to be lost is
//! replaced where nothing can be done twice by that.

use futures_util::TryStreamExt as _;
use kit_service::chain;
use sqlx::{
    Connection as _, Either, Executor as _, PgConnection, PgPool, Postgres, Transaction,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
};

use super::query::{Access, Done};
use crate::postgres::give_back;

const LOST: &str = "a database connection was lost, using another";

/// Where a statement runs.
pub(super) enum Target<'a> {
    Pool(&'a PgPool),
    Transaction(&'a mut PgConnection),
}

impl Target<'_> {
    pub(super) async fn run(
        self,
        text: &'static str,
        arguments: PgArguments,
        access: Access,
    ) -> Result<Done<PgRow>, sqlx::Error> {
        match self {
            Self::Pool(pool) => run_alone(pool, text, arguments, access).await,
            Self::Transaction(connection) => {
                let mut done = Done::default();
                run(connection, text, arguments, &mut done).await?;
                Ok(done)
            }
        }
    }
}

/// Runs one statement that is a transaction of its own.
async fn run_alone(
    pool: &PgPool,
    text: &'static str,
    arguments: PgArguments,
    access: Access,
) -> Result<Done<PgRow>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut done = Done::default();
    let Err(error) = run(&mut connection, text, arguments.clone(), &mut done).await else {
        give_back(connection);
        return Ok(done);
    };
    let had_no_effect = access == Access::Read || (was_refused(&error) && done.affected.is_none());
    if !is_lost(&error) || !had_no_effect {
        return Err(error);
    }
    tracing::info!(error = chain(&error), "{LOST}");
    connection.close_on_drop();
    drop(connection);

    let mut connection = acquire_alive(pool).await?;
    let mut done = Done::default();
    run(&mut connection, text, arguments, &mut done).await?;
    give_back(connection);
    Ok(done)
}

/// Reads to the end of the statement: its commit comes behind its rows.
async fn run(
    connection: &mut PgConnection,
    text: &'static str,
    arguments: PgArguments,
    done: &mut Done<PgRow>,
) -> Result<(), sqlx::Error> {
    let mut steps = connection.fetch_many(sqlx::query_with(text, arguments));
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(ended) => done.affected = Some(ended.rows_affected()),
            Either::Right(row) => done.rows.push(row),
        }
    }
    Ok(())
}

/// Begins a transaction on a connection that is alive: one that is lost has begun nothing.
pub(super) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    // Hidden in sqlx's documentation, and what `Pool::begin` does.
    match Transaction::begin(pool.acquire().await?, None).await {
        Err(error) if is_lost(&error) => {
            tracing::info!(error = chain(&error), "{LOST}");
            Transaction::begin(acquire_alive(pool).await?, None).await
        }
        begun => begun,
    }
}

/// A connection that has answered just now. Each that does not is closed, so that sooner or later
/// there is a new one.
pub(crate) async fn acquire_alive(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    for _ in 0..pool.options().get_max_connections() {
        let mut connection = pool.acquire().await?;
        if connection.ping().await.is_ok() {
            return Ok(connection);
        }
        connection.close_on_drop();
    }
    pool.acquire().await
}

/// Whether the connection ended under a statement.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(refusal) => {
            refusal.code().is_some_and(|code| code.starts_with("57P"))
        }
        _ => false,
    }
}

/// Whether the server itself ended the connection, on its way down or because it was idle for too
/// long. It says so in place of carrying a statement out, never after a commit.
fn was_refused(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|refusal| {
        refusal.code().is_some_and(|code| code == "57P01" || code == "57P05")
    })
}
