//! PostgreSQL, or what speaks its protocol: one schema for each service.

use std::{str::FromStr as _, time::Duration};

use log::LevelFilter;
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool, Postgres, Row as _,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::OpenError;

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
const MAX_LIFETIME: Duration = Duration::from_mins(30);

/// Longer than any statement of ours takes, shorter than any caller waits.
const SESSION: [(&str, &str); 3] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "10s"),
];

/// A connection that was given back so short a time ago is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_millis(500);

tokio::task_local! {
    /// Set while a connection is given back that has carried out one statement, whole, and never
    /// was in a transaction.
    static NEVER_IN_TRANSACTION: ();
}

pub(super) async fn open(
    url: &str,
    schema: &str,
    max_connections: u32,
) -> Result<PgPool, OpenError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if schema.is_empty() || schema.len() > 63 || !schema.bytes().all(allowed) {
        return Err(OpenError::InvalidSchema);
    }
    let options = PgConnectOptions::from_str(url).map_err(OpenError::InvalidUrl)?;
    let name = name(&options);
    let failed = |source| OpenError::Connect { name: name.clone(), source };
    let options =
        options.application_name(schema).options(SESSION).options([("search_path", schema)]);

    create_schema(&options, schema).await.map_err(failed)?;
    let pool = PgPoolOptions::new()
        .min_connections(1)
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .acquire_time_level(LevelFilter::Debug)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        // A round trip each time; see `is_alive`.
        .test_before_acquire(false)
        .before_acquire(|connection, it| Box::pin(is_alive(connection, it.idle_for)))
        .after_release(|connection, _| Box::pin(may_be_released(connection)));
    pool.connect_with(options).await.map_err(failed)
}

/// What people know the database by. Neither the role nor its password.
pub(super) fn name(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_default();
    format!("{}:{}/{database}", options.get_host(), options.get_port())
}

/// Makes the schema if there is none. Looks first, because a role that may use a schema need not
/// have the right to create one.
async fn create_schema(options: &PgConnectOptions, schema: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    if !schema_exists(&mut connection, schema).await? {
        // The name was checked: it holds nothing that needs quoting.
        let create = AssertSqlSafe(format!("create schema if not exists {schema}"));
        let created = sqlx::query(create).execute(&mut connection).await;
        // Two replicas that start together may both find it missing, and one of them then fails.
        if created.is_err() && !schema_exists(&mut connection, schema).await? {
            created?;
        }
    }
    connection.close().await
}

async fn schema_exists(connection: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    let sql = "select exists (select 1 from pg_namespace where nspname = $1)";
    sqlx::query_scalar(sql).bind(schema).fetch_one(connection).await
}

/// Gives back a connection that has carried out one statement, whole, without the check of
/// [`may_be_released`], which is a round trip more. A connection that is simply dropped is checked.
pub(super) fn give_back(mut connection: PoolConnection<Postgres>) {
    // Hidden in sqlx's documentation, and what its `drop` spawns.
    tokio::spawn(NEVER_IN_TRANSACTION.scope((), connection.return_to_pool()));
}

/// Whether the pool may hand out `connection`, which has been idle for so long. The pool has asked
/// it for a sign of life when it was given back; asking again is not worth a round trip while
/// connections are busy.
async fn is_alive(connection: &mut PgConnection, idle_for: Duration) -> Result<bool, sqlx::Error> {
    Ok(idle_for < TRUSTED_FOR || connection.ping().await.is_ok())
}

/// Whether a connection may go back to the pool.
///
/// sqlx 0.9.0 can lose track of a transaction if a future is dropped inside `begin()`: the connection
/// comes back with the transaction open, and what its next user writes vanishes although it was
/// acknowledged. A statement on its own starts at the same instant as its transaction, one inside an
/// open transaction later. (A plain `rollback` would do too, but has the server log a warning each
/// time.) Only in the simple protocol, though: in the extended one the transaction starts when the
/// statement is bound and the statement when it is executed. A connection inside a transaction is
/// closed, which rolls back.
async fn may_be_released(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if NEVER_IN_TRANSACTION.try_with(|()| ()).is_ok() {
        return Ok(true);
    }
    let sql = "select now() = statement_timestamp()";
    let outside: bool = sqlx::raw_sql(sql).fetch_one(connection).await?.try_get(0)?;
    if !outside {
        tracing::warn!("closing a database connection that was given back inside a transaction");
    }
    Ok(outside)
}
