//! A service's database: opened by the scheme of its URL, migrated, and pinged for readiness. Statements
//! are each service's own, under its `store/`.
//!
//! The tests that need a server are in `kit/testing/tests`.

mod executor;
mod failure;
pub mod metrics;
mod postgres;
mod sqlite;
mod store_error;
mod wait;

use std::{ops::ControlFlow, path::PathBuf, time::Duration};

use futures_util::future::BoxFuture;
use kit_service::secret::{self, SecretError};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    PgPool, SqlSafeStr as _,
    migrate::{MigrateError, MigrationType, Migrator},
};
use time::{OffsetDateTime, PrimitiveDateTime};
use tokio_util::sync::CancellationToken;

pub use executor::{Column, Dialect, Json, Query, Row, Sql, SqlDatabase, Transaction, Value};
pub use failure::Failure;
pub use sqlite::Sqlite;
pub use store_error::StoreError;

/// Where a service keeps its data.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// Database: `sqlite:PATH` (a file on a local disk, made if missing), `postgres://USER@HOST/NAME`,
    /// or `memory:` (lost at exit). Default: a SQLite file named after the service in the folder `data`
    #[arg(long, env = "OXCART_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// File whose only line is the database's URL, instead of the URL itself: it may hold a password
    #[arg(long, env = "OXCART_DATABASE_URL_FILE", value_name = "FILE")]
    #[arg(conflicts_with = "database_url")]
    pub database_url_file: Option<PathBuf>,

    /// Seconds that a PostgreSQL server which cannot be reached is waited for at start, from 0 to 3600
    #[arg(
        long,
        env = "OXCART_DATABASE_WAIT_SECONDS",
        default_value_t = 30,
        value_name = "SECONDS"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub database_wait_seconds: u64,

    /// Schema for this service's tables, PostgreSQL only: 1 to 63 of a-z 0-9 _. Default: the service's name
    #[arg(long, env = "OXCART_DATABASE_SCHEMA", value_name = "NAME")]
    pub database_schema: Option<String>,

    /// Connections at most, from 1 to 1000: replicas times this must stay below the server's limit
    #[arg(long, env = "OXCART_DATABASE_MAX_CONNECTIONS", default_value_t = 10, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_max_connections: u32,

    /// Bring the database's schema up to date and exit
    #[arg(long)]
    pub migrate_only: bool,
}

impl DatabaseArgs {
    /// Waits for the database, see [`Self::wait`]. With [`Self::migrate_only`] it brings the schema up to
    /// date, which is all that is to be done then: `Break`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn prepare(
        &self,
        name: &str,
        migrations: &Migrations,
        shutdown: &CancellationToken,
    ) -> Result<ControlFlow<()>, OpenError> {
        self.wait(shutdown).await?;
        if !self.migrate_only {
            return Ok(ControlFlow::Continue(()));
        }
        self.open(name, migrations).await?.close().await;
        Ok(ControlFlow::Break(()))
    }

    /// Opens the database that the arguments name, and brings its schema up to date. `name` is the
    /// default of the file's and the schema's name.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(&self, name: &str, migrations: &Migrations) -> Result<Database, OpenError> {
        let database = self.open_as_it_is(name).await?;
        database.migrate(migrations).await?;
        Ok(database)
    }

    async fn open_as_it_is(&self, name: &str) -> Result<Database, OpenError> {
        let default_url = || format!("sqlite:data/{name}.sqlite3").into();
        let url = self.url()?.unwrap_or_else(default_url);
        let schema = self.database_schema.as_deref().unwrap_or(name);
        Database::open(url.expose_secret(), schema, self.database_max_connections).await
    }

    /// Waits until a PostgreSQL server answers, for [`Self::database_wait_seconds`] at most. Any other
    /// database is there or is not. Done before a port is taken, so that none calls a service that
    /// has no database yet.
    ///
    /// # Errors
    /// [`OpenError::Connect`] at the end of the time, and at once for what time does not mend, such as
    /// a wrong password; [`OpenError::Stopped`] when `shutdown` is cancelled.
    pub async fn wait(&self, shutdown: &CancellationToken) -> Result<(), OpenError> {
        let limit = Duration::from_secs(self.database_wait_seconds);
        match self.url()? {
            Some(url) if url.expose_secret().starts_with("postgres") => {
                wait::wait(url.expose_secret(), limit, shutdown).await
            }
            _ => Ok(()),
        }
    }

    fn url(&self) -> Result<Option<SecretString>, OpenError> {
        match &self.database_url_file {
            Some(path) => Ok(Some(secret::read("database-url-file", path)?)),
            None => Ok(self.database_url.as_deref().map(Into::into)),
        }
    }
}

/// An open database. A clone shares its connections.
#[derive(Debug, Clone)]
pub enum Database {
    /// None at all: the service keeps its data in memory, and loses it at exit.
    Memory,
    /// A file.
    Sqlite(Sqlite),
    /// A server. Unqualified names of tables are in the service's own schema.
    Postgres(PgPool),
}

/// Why a database could not be opened or migrated.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that we know.
    #[error("the database URL must start with sqlite:, postgres:// or memory:")]
    UnknownScheme,
    /// The rest of the URL is wrong. The URL is not shown: it may hold a password.
    #[error("the database URL is not valid")]
    InvalidUrl(#[source] sqlx::Error),
    /// The name of the schema is wrong.
    #[error("the database schema must be 1 to 63 of a-z 0-9 _")]
    InvalidSchema,
    /// The file's folder cannot be made, or the file beside it that keeps other processes out.
    #[error("cannot write {path}")]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has the file open.
    #[error("the database {path} is in use by another process")]
    InUse {
        /// The database's file.
        path: PathBuf,
    },
    /// The file or server does not let us in.
    #[error("cannot open the database {name}")]
    Connect {
        /// The file, or the server's host, port and database.
        name: String,
        /// What the driver said.
        source: sqlx::Error,
    },
    /// The file that holds the URL does not give it.
    #[error("the database has no URL")]
    Secret(#[from] SecretError),
    /// The process was told to stop before the server could be reached.
    #[error("told to stop while the database {name} could not be reached")]
    Stopped {
        /// The server's host, port and database.
        name: String,
    },
    /// A migration failed, or the database was migrated by another version of the service.
    #[error("cannot migrate the database")]
    Migrate(#[from] MigrateError),
}

/// One step of a schema, never changed once released.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Orders the steps: 1, 2, 3, …
    pub version: i64,
    /// What it does, in a few words.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// The same steps for both databases.
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    /// In SQLite's words.
    pub sqlite: &'static [Migration],
    /// In PostgreSQL's words.
    pub postgres: &'static [Migration],
}

impl Database {
    /// Opens the database at `url`. A SQLite file and its folder are made if missing, and kept from
    /// other processes; in PostgreSQL the schema is made if missing. Nothing is migrated.
    ///
    /// # Errors
    /// Any [`OpenError`] but [`OpenError::Migrate`].
    pub async fn open(url: &str, schema: &str, max_connections: u32) -> Result<Self, OpenError> {
        match url.split(':').next().unwrap_or_default() {
            "memory" => Ok(Self::Memory),
            "sqlite" => Sqlite::open(url, max_connections).await.map(Self::Sqlite),
            "postgres" | "postgresql" => {
                postgres::open(url, schema, max_connections).await.map(Self::Postgres)
            }
            _ => Err(OpenError::UnknownScheme),
        }
    }

    /// Brings the schema up to date. Safe to repeat, and to run from several processes at once: on
    /// PostgreSQL they take turns by an advisory lock.
    ///
    /// # Errors
    /// [`OpenError::Migrate`].
    pub async fn migrate(&self, migrations: &Migrations) -> Result<(), OpenError> {
        match self {
            Self::Memory => Ok(()),
            Self::Sqlite(sqlite) => Ok(migrator(migrations.sqlite).run(&sqlite.write).await?),
            Self::Postgres(pool) => Ok(migrator(migrations.postgres).run(pool).await?),
        }
    }

    /// The database that takes statements, unless there is none.
    #[must_use]
    pub fn sql(&self) -> Option<SqlDatabase> {
        match self {
            Self::Memory => None,
            Self::Sqlite(sqlite) => Some(SqlDatabase::Sqlite(sqlite.clone())),
            Self::Postgres(pool) => Some(SqlDatabase::Postgres(pool.clone())),
        }
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// What the driver said.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Memory => Ok(()),
            Self::Sqlite(sqlite) => sqlx::query("select 1").execute(&sqlite.read).await.map(drop),
            Self::Postgres(pool) => executor::acquire_alive(pool).await.map(drop),
        }
    }

    /// Whether the database answers, as a question that can be asked again and again.
    pub fn readiness(&self) -> impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static {
        let database = self.clone();
        move || {
            let database = database.clone();
            Box::pin(async move { database.ping().await.is_ok() })
        }
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        match self {
            Self::Memory => {}
            Self::Sqlite(sqlite) => {
                sqlite.read.close().await;
                sqlite.write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

fn migrator(steps: &[Migration]) -> Migrator {
    let steps = steps.iter().map(|step| {
        let kind = MigrationType::Simple;
        sqlx::migrate::Migration::new(
            step.version,
            step.name.into(),
            kind,
            step.sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(steps.collect())
}

/// A time as microseconds since 1970, as stores keep it.
#[must_use]
pub fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

/// The time that [`micros`] wrote down; the calendar's first or last day for what it does not hold.
#[must_use]
pub fn from_micros(micros: i64) -> OffsetDateTime {
    let end = if micros < 0 { PrimitiveDateTime::MIN } else { PrimitiveDateTime::MAX };
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .unwrap_or_else(|_| end.assume_utc())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use kit_service::chain;

    use super::*;

    #[test]
    fn times_read_back_and_never_leave_the_calendar() {
        let at = from_micros(1_700_000_000_123_456);
        assert_eq!(micros(at), 1_700_000_000_123_456);
        assert!(from_micros(i64::MAX) > at && from_micros(i64::MIN) < at);
    }

    async fn message(url: &str, schema: &str) -> String {
        let refused = Database::open(url, schema, 1).await.err();
        refused.map(|error| error.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_wrong_setting_is_refused_by_name() {
        assert!(message("mysql://x", "cart").await.contains("database URL must start with"));
        assert!(message("postgres://h:port/x", "cart").await.contains("database URL is not valid"));
        assert!(message("postgres://h/x", "Cart; drop").await.contains("database schema must be"));
        assert!(message("postgres://127.0.0.1:1/x", "cart").await.contains("127.0.0.1:1/x"));
    }

    #[derive(Debug, clap::Parser)]
    struct Config {
        #[command(flatten)]
        database: DatabaseArgs,
    }

    #[tokio::test]
    async fn the_url_may_be_kept_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "memory:\n").unwrap();
        let flag = format!("--database-url-file={}", path.display());
        let args = Config::try_parse_from(["cart-svc", &flag]).unwrap().database;
        args.wait(&CancellationToken::new()).await.unwrap();
        assert!(matches!(args.open_as_it_is("cart").await.unwrap(), Database::Memory));
        let both = Config::try_parse_from(["cart-svc", &flag, "--database-url=memory:"]);
        assert!(both.unwrap_err().to_string().contains("--database-url-file"));
        std::fs::remove_file(path).unwrap();
        let missing = chain(&args.open_as_it_is("cart").await.unwrap_err());
        assert!(missing.contains("--database-url-file cannot read"), "{missing}");
    }

    #[tokio::test]
    async fn an_error_never_shows_the_password() {
        let error =
            Database::open("postgres://u:hunter2@127.0.0.1:1/x", "cart", 1).await.unwrap_err();
        assert!(!chain(&error).contains("hunter2"));
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
