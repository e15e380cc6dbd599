//! What bites on PostgreSQL: round trips, and connections that are lost or not as they should be.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use kit_database::{Database, Failure, Sql, SqlDatabase, StoreError};
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::{
    ADD, ADD_RETURNING, BODY, IDS, add, ids, migrated,
    proxy::{Answers, Proxy},
};

async fn open(url: &str, max_connections: u32) -> SqlDatabase {
    migrated(Database::open(url, "note", max_connections).await.unwrap()).await
}

fn pool(database: &SqlDatabase) -> &PgPool {
    let SqlDatabase::Postgres(pool) = database else { panic!("it is PostgreSQL") };
    pool
}

/// Waits until all connections are back in the pool.
async fn settle(database: &SqlDatabase) {
    let pool = pool(database);
    while pool.num_idle() < pool.size() as usize {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Opens `count` connections, which are idle then.
async fn warm_up(database: &SqlDatabase, count: usize) {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(pool(database).acquire().await.unwrap());
    }
    drop(held);
    settle(database).await;
}

/// Ends all sessions as a server does that is told to stop.
async fn end_sessions(url: &str) {
    let mut admin = PgConnection::connect(url).await.unwrap();
    let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
         where datname = current_database() and pid <> pg_backend_pid()";
    sqlx::query(end).execute(&mut admin).await.unwrap();
}

/// The fewest round trips of several runs: a machine that stands still for a moment makes the pool
/// ask whether a connection is alive.
async fn trips<F: Future>(proxy: &Proxy, database: &SqlDatabase, run: impl Fn(i64) -> F) -> usize {
    let mut fewest = usize::MAX;
    for id in 1..6 {
        settle(database).await;
        let before = proxy.trips();
        run(id).await;
        settle(database).await;
        fewest = fewest.min(proxy.trips() - before);
    }
    fewest
}

#[tokio::test]
async fn a_statement_on_its_own_is_one_round_trip() {
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 1).await;
    // And the sign of life that the pool asks for behind the caller's back.
    assert_eq!(trips(&proxy, &database, |id| add(&database, id)).await, 1 + 1);
    assert_eq!(trips(&proxy, &database, |_| ids(&database)).await, 1 + 1);
}

#[tokio::test]
async fn a_transaction_is_a_round_trip_for_each_statement_and_two_more() {
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 1).await;
    let add_in_transaction = async |id: i64| {
        let mut transaction = database.begin().await.unwrap();
        transaction.query(ADD).bind(id).bind("a").execute_one().await.unwrap();
        transaction.commit().await.unwrap();
    };
    // Then it is checked whether the connection is outside a transaction indeed.
    assert_eq!(trips(&proxy, &database, add_in_transaction).await, 3 + 2);
}

/// Polls `future` until it must have sent whatever it sends first, and drops it.
async fn give_up<F: Future>(future: F) {
    let mut future = pin!(future);
    for _ in 0..20 {
        let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "its answer is held back");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_begin_that_is_given_up_loses_no_write() {
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 1).await;
    add(&database, 1).await;
    settle(&database).await;
    proxy.set(Answers::Wait);
    give_up(database.begin()).await;
    proxy.set(Answers::Arrive);
    add(&database, 2).await;

    let pool = pool(&database);
    let options = pool.connect_options();
    pool.close().await;
    let mut other = PgConnection::connect_with(&options).await.unwrap();
    let count = sqlx::query_scalar::<_, i64>("select count(*) from note");
    assert_eq!(count.fetch_one(&mut other).await.unwrap(), 2);
}

#[tokio::test]
async fn a_statement_that_is_given_up_leaves_its_answer_to_no_other() {
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 1).await;
    add(&database, 1).await;
    ids(&database).await;
    settle(&database).await;
    proxy.set(Answers::Wait);
    give_up(database.query(IDS).fetch_all()).await;
    give_up(database.query(ADD).bind(2_i64).bind("a").execute()).await;
    proxy.set(Answers::Arrive);
    let body = database.query(BODY).bind(1_i64).fetch_optional().await.unwrap().unwrap();
    assert_eq!(body.get::<&str>("body").unwrap(), "a note");
}

#[tokio::test]
async fn a_read_whose_connection_is_cut_is_made_on_another() {
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 4).await;
    add(&database, 1).await;
    for _ in 0..3 {
        warm_up(&database, 4).await;
        proxy.cut();
        assert_eq!(ids(&database).await, [1]);
    }
}

#[tokio::test]
async fn a_transaction_begins_on_a_connection_that_is_alive() {
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 4).await;
    for id in 1..4 {
        warm_up(&database, 4).await;
        proxy.cut();
        let mut transaction = database.begin().await.unwrap();
        transaction.query(ADD).bind(id).bind("a").execute_one().await.unwrap();
        transaction.commit().await.unwrap();
    }
    assert_eq!(ids(&database).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_server_that_was_restarted_takes_the_first_call_of_any_kind() {
    let url = kit_testing::postgres_url().await;
    let database = open(&url, 4).await;
    warm_up(&database, 4).await;
    end_sessions(&url).await;
    add(&database, 1).await;

    warm_up(&database, 4).await;
    end_sessions(&url).await;
    let adding = database.query(ADD_RETURNING).bind(2_i64).bind("a");
    assert_eq!(adding.execute_returning().await.unwrap().len(), 1);

    warm_up(&database, 4).await;
    end_sessions(&url).await;
    let mut transaction = database.begin().await.unwrap();
    transaction.query(ADD).bind(3_i64).bind("a").execute_one().await.unwrap();
    transaction.commit().await.unwrap();

    warm_up(&database, 4).await;
    end_sessions(&url).await;
    assert_eq!(ids(&database).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_made_twice() {
    const COUNT_UP: Sql = Sql::same("insert into note select count(*), 'a' from note");
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 1).await;
    database.query(COUNT_UP).execute_one().await.unwrap();
    settle(&database).await;
    proxy.set(Answers::LoseOne);
    let lost = database.query(COUNT_UP).execute().await;
    assert!(matches!(lost, Err(StoreError::Database(Failure::Unavailable(_)))), "{lost:?}");
    assert_eq!(ids(&database).await, [0, 1]);
}

#[tokio::test]
async fn a_connection_that_was_idle_is_tried_before_a_write() {
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 4).await;
    warm_up(&database, 4).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_millis(600)).await;
    add(&database, 1).await;
    assert_eq!(ids(&database).await, [1]);
}

#[tokio::test]
async fn a_server_that_is_away_is_not_available_and_back_at_once() {
    let proxy = Proxy::start().await;
    let database = open(&proxy.url, 2).await;
    proxy.set(Answers::LoseAll);
    for _ in 0..3 {
        let away = database.query(BODY).bind(1_i64).fetch_optional().await;
        assert!(matches!(away, Err(StoreError::Database(Failure::Unavailable(_)))));
    }
    proxy.set(Answers::Arrive);
    add(&database, 1).await;
    assert_eq!(ids(&database).await, [1]);
}
