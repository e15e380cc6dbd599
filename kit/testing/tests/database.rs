//! What a service may rely on of a database that it opens.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use clap::Parser as _;
use kit_database::{Database, DatabaseArgs, Failure, Migration, Migrations, Sqlite, metrics};
use kit_service::metrics::{Kind, Metric, text};
use kit_testing::{echo::BOUND, keep, postgres, postgres_url, series, sqlite};
use opentelemetry_sdk::trace::Sampler;
use sqlx::{Row as _, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time,
};
use tokio_util::sync::CancellationToken;

const NOTE: Migrations = Migrations {
    sqlite: &[Migration {
        version: 1,
        name: "note",
        sql: "create table note (body text not null) strict",
    }],
    postgres: &[Migration {
        version: 1,
        name: "note",
        sql: "create table note (body text not null)",
    }],
};

#[tokio::test]
async fn a_second_user_of_a_sqlite_file_is_refused_until_the_first_has_gone() {
    let (first, folder) = sqlite("cart").await;
    let url = format!("sqlite:{}", folder.path().join("cart.sqlite3").display());
    let refused = Database::open(&url, "cart", 1).await.unwrap_err().to_string();
    assert!(refused.ends_with("is in use by another process"), "{refused}");
    first.close().await;
    drop(first);
    assert!(Database::open(&url, "cart", 1).await.is_ok());
}

#[tokio::test]
async fn migrations_may_be_repeated_and_raced() {
    let (on_sqlite, _folder) = sqlite("note").await;
    for database in [on_sqlite, postgres("note").await] {
        let (one, two) = tokio::join!(database.migrate(&NOTE), database.migrate(&NOTE));
        one.and(two).unwrap();
        database.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_given_back_outside_a_transaction_is_used_again() {
    let url = postgres_url().await;
    let Database::Postgres(pool) = Database::open(&url, "note", 1).await.unwrap() else {
        panic!("the URL is of PostgreSQL")
    };
    let mut sessions = std::collections::HashSet::new();
    for _ in 0..20 {
        let sql = "select pg_backend_pid()";
        sessions.insert(sqlx::query_scalar::<_, i32>(sql).fetch_one(&pool).await.unwrap());
    }
    assert_eq!(sessions.len(), 1);
}

#[tokio::test]
async fn sqlite_writes_again_after_it_has_ended_a_transaction_by_itself() {
    let (database, _folder) = sqlite("note").await;
    database.migrate(&NOTE).await.unwrap();
    let Database::Sqlite(Sqlite { write, .. }) = &database else { panic!("it is SQLite") };

    // What SQLite does of its own accord when the disk is full.
    let mut transaction = write.begin_with("begin immediate").await.unwrap();
    sqlx::query("rollback").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap_err();

    let mut transaction = write.begin_with("begin immediate").await.unwrap();
    sqlx::query("insert into note values ('kept')").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_connection_given_back_inside_a_transaction_loses_nobodys_write() {
    let url = postgres_url().await;
    let database = Database::open(&url, "note", 1).await.unwrap();
    database.migrate(&NOTE).await.unwrap();
    let Database::Postgres(pool) = database else { panic!("the URL is of PostgreSQL") };

    // What a future leaves behind that is dropped inside `begin()`.
    let mut connection = pool.acquire().await.unwrap();
    sqlx::query("begin").execute(&mut *connection).await.unwrap();
    drop(connection);

    sqlx::query("insert into note values ('kept')").execute(&pool).await.unwrap();
    pool.close().await;
    let Database::Postgres(pool) = Database::open(&url, "note", 1).await.unwrap() else {
        panic!("the URL is of PostgreSQL")
    };
    let row = sqlx::query("select body from note").fetch_one(&pool).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "kept");
}

/// What the server says of an error, in PostgreSQL's protocol.
fn refusal(code: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let length = u32::try_from(4 + fields.len()).unwrap();
    [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
}

/// A server that refuses the first `times` connections with `code`, and leads the others to the test
/// server. Returns the URL of a database behind it, and the count of connections.
async fn refusing(times: usize, code: &'static str) -> (String, Arc<AtomicUsize>) {
    let url = postgres_url().await;
    let options = PgConnectOptions::from_str(&url).unwrap();
    let behind = (options.get_host().to_owned(), options.get_port());
    let database = options.get_database().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap();
    let url = format!("postgres://postgres:hunter2@{front}/{database}?sslmode=disable");
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            if seen.fetch_add(1, Ordering::SeqCst) < times {
                socket.read_buf(&mut Vec::new()).await.unwrap();
                socket.write_all(&refusal(code, "not now")).await.unwrap();
            } else {
                let mut server = TcpStream::connect(behind.clone()).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut socket, &mut server).await });
            }
        }
    });
    (url, count)
}

#[derive(Debug, clap::Parser)]
struct Config {
    #[command(flatten)]
    database: DatabaseArgs,
}

#[tokio::test]
async fn a_server_that_is_starting_up_is_waited_for() {
    let (url, count) = refusing(2, "57P03").await;
    let flags = ["cart-svc", "--database-wait-seconds=60", "--database-url", &url];
    let args = Config::try_parse_from(flags).unwrap().database;
    args.wait(&CancellationToken::new()).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn connections_are_shown_for_as_long_as_the_database_is_served() {
    let Database::Postgres(pool) = postgres("pooled").await else { panic!("it is") };
    let (sqlite, _folder) = sqlite("filed").await;
    let postgres = Database::Postgres(pool.clone());
    let shown = [metrics::watch("pooled", &postgres), metrics::watch("filed", &sqlite)];
    let connection = pool.acquire().await.unwrap();
    let in_use = |state| {
        let labels = [("server", "pooled"), ("pool", "postgres"), ("state", state)];
        series("db_pool_connections", &labels)
    };
    assert_eq!(in_use("in_use"), Some(1.0));
    drop(connection);
    let given_back = async {
        while in_use("in_use") != Some(0.0) {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(BOUND, given_back).await.unwrap();
    assert!(in_use("idle").is_some_and(|idle| idle >= 1.0));
    let most = |pool| series("db_pool_max_connections", &[("server", "filed"), ("pool", pool)]);
    assert_eq!((most("write"), most("read")), (Some(1.0), Some(4.0)));
    drop(shown);
    assert_eq!((in_use("idle"), most("write")), (None, None));
}

#[test]
fn a_failed_statement_is_counted_by_kind() {
    let _: Failure = sqlx::Error::PoolTimedOut.into();
    let _: Failure = sqlx::Error::RowNotFound.into();
    for kind in ["no_connection", "broken"] {
        assert!(series("db_failures_total", &[("kind", kind)]).is_some(), "{}", text());
    }
}

#[tokio::test]
async fn every_metric_is_shown_with_its_kind_and_meaning() {
    let (database, _folder) = sqlite("shown").await;
    let _shown = metrics::watch("shown", &database);
    let (_kept, _guard) = keep(Sampler::AlwaysOff);
    database.ping().await.unwrap();
    let text = text();
    for Metric { name, kind, help, .. } in &metrics::METRICS {
        let kind = format!("{kind:?}").to_lowercase();
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}: {text}");
        assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}: {text}");
    }
}

#[test]
fn names_of_metrics_end_in_their_units_and_labels_name_nobody() {
    for metric in metrics::METRICS.iter().chain(&kit_rpc::metrics::METRICS) {
        let Metric { name, kind, labels, .. } = metric;
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
        assert!(!labels.iter().any(|label| ["user", "owner", "id"].contains(label)), "{name}");
    }
}
