//! A fresh database for each test.

use std::str::FromStr as _;

use kit_database::Database;
use kit_service::Env;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;

/// Names the PostgreSQL server for tests. `./test` starts one and sets it.
const SERVER: &str = "OXCART_TEST_POSTGRES";

/// A new, empty database on the test server, and `schema` in it. Tests may run side by side.
///
/// # Panics
/// If there is no test server: a test that is skipped in silence would pass for one that passes.
#[expect(clippy::expect_used, reason = "a test ends here")]
pub async fn postgres(schema: &str) -> Database {
    let url = postgres_url().await;
    Database::open(&url, schema, 8).await.expect("the new test database opens")
}

/// The URL of a new, empty database on the test server.
///
/// # Panics
/// If there is no test server.
#[expect(clippy::expect_used, reason = "a test ends here")]
#[expect(clippy::disallowed_methods, reason = "set by ./test, not by people")]
pub async fn postgres_url() -> String {
    let Ok(server) = std::env::var(SERVER) else {
        panic!("{SERVER} is not set: run ./test, which starts a PostgreSQL server and sets it");
    };
    let options = PgConnectOptions::from_str(&server).expect("the test server's URL is valid");
    let name = format!("test_{}", Env::system().uuid_v7().simple());
    let mut admin = PgConnection::connect_with(&options).await.expect("the test server answers");
    let create = AssertSqlSafe(format!("create database {name}"));
    sqlx::query(create).execute(&mut admin).await.expect("the test server makes databases");
    let (base, _) = server.rsplit_once('/').expect("the test server's URL names a database");
    format!("{base}/{name}")
}

/// A new SQLite file in a folder of its own, which goes when the second value is dropped.
///
/// # Panics
/// If the temporary folder cannot be written.
#[expect(clippy::expect_used, reason = "a test ends here")]
pub async fn sqlite(service: &str) -> (Database, TempDir) {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let url = format!("sqlite:{}", folder.path().join(format!("{service}.sqlite3")).display());
    let database = Database::open(&url, service, 4).await.expect("a new SQLite file opens");
    (database, folder)
}
