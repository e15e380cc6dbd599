//! Rules held against both databases.

use kit_database::{Dialect, Failure, Sql, SqlDatabase, StoreError};
use sqlx::types::Json;
use time::{OffsetDateTime, macros::datetime};
use uuid::Uuid;

use crate::{ADD, ADD_RETURNING, BODY, SET, SET_RETURNING, add, ids, migrated};

macro_rules! on_both {
    ($($rule:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let (database, _folder) = kit_testing::sqlite("note").await;
                super::$rule(super::migrated(database).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let database = kit_testing::postgres("note").await;
                super::$rule(super::migrated(database).await).await;
            })+
        }
    };
}

on_both!(
    what_is_bound_reads_back,
    a_parameter_may_belong_to_one_dialect,
    a_write_answers_how_many_rows_it_changed,
    a_write_returns_what_it_changed,
    a_compare_and_set_that_finds_no_row_is_a_conflict,
    a_key_that_is_taken_is_a_conflict,
    any_other_violation_is_a_fault,
    a_value_that_does_not_read_back_names_its_column,
    a_committed_transaction_takes_effect_as_a_whole,
    a_dropped_transaction_has_no_effect,
    a_transaction_that_is_rolled_back_has_no_effect,
    a_transaction_with_a_failed_statement_is_not_committed,
    transactions_that_read_before_they_write_wait_for_each_other,
    a_database_that_is_closed_is_not_available,
);

const AT: OffsetDateTime = datetime!(2026-11-23 12:00:00.123456 UTC);

async fn what_is_bound_reads_back(database: SqlDatabase) {
    const ECHO: Sql = Sql {
        sqlite: "select $1 as text, $2 as number, $3 as ratio, $4 as truth, $5 as bytes, \
            $6 as id, $7 as list, $8 as absent, $9 as at",
        postgres: "select $1::text as text, $2::bigint as number, $3::float8 as ratio, \
            $4::boolean as truth, $5::bytea as bytes, $6::uuid as id, $7::jsonb as list, \
            $8::text as absent, $9::bigint as at",
    };
    let list = Json(vec![("a".to_owned(), 1_i64)]);
    let echo = database
        .query(ECHO)
        .bind("Zoë's \"note\"")
        .bind(i64::MIN)
        .bind(f64::NEG_INFINITY)
        .bind(true)
        .bind([0_u8, 255].as_slice())
        .bind(Uuid::from_u128(7))
        .bind(&list)
        .bind(None::<&str>)
        .bind(kit_database::micros(AT));
    let row = echo.fetch_optional().await.unwrap().unwrap();
    assert_eq!(row.get::<String>("text").unwrap(), "Zoë's \"note\"");
    assert_eq!(row.get::<&str>("text").unwrap(), "Zoë's \"note\"");
    assert_eq!(row.get::<i64>("number").unwrap(), i64::MIN);
    assert!(row.get::<f64>("ratio").unwrap().is_infinite());
    assert!(row.get::<bool>("truth").unwrap());
    assert_eq!(row.get::<Vec<u8>>("bytes").unwrap(), [0, 255]);
    assert_eq!(row.get::<Uuid>("id").unwrap(), Uuid::from_u128(7));
    assert_eq!(row.get::<Json<Vec<(String, i64)>>>("list").unwrap().0, list.0);
    assert_eq!(row.get::<Option<String>>("absent").unwrap(), None);
    assert_eq!(row.parse_optional::<Uuid>("absent").unwrap(), None);
    assert_eq!(row.time("at").unwrap(), AT);
    assert_eq!(row.time_optional("at").unwrap(), Some(AT));
}

async fn a_parameter_may_belong_to_one_dialect(database: SqlDatabase) {
    const SUM: Sql =
        Sql { sqlite: "select $1 + $2 as sum", postgres: "select $1::bigint + 40 as sum" };
    let sum = database.query(SUM).bind(2_i64).bind_on(Dialect::Sqlite, 40_i64);
    let row = sum.fetch_optional().await.unwrap().unwrap();
    assert_eq!(row.get::<i64>("sum").unwrap(), 42);
}

async fn a_write_answers_how_many_rows_it_changed(database: SqlDatabase) {
    add(&database, 1).await;
    assert_eq!(database.query(SET).bind(1_i64).bind("b").execute().await.unwrap(), 1);
    assert_eq!(database.query(SET).bind(2_i64).bind("b").execute().await.unwrap(), 0);
}

async fn a_write_returns_what_it_changed(database: SqlDatabase) {
    let added = database.query(ADD_RETURNING).bind(1_i64).bind("a").execute_returning().await;
    let bodies: Vec<String> = added.unwrap().iter().map(|row| row.get("body").unwrap()).collect();
    assert_eq!(bodies, ["a"]);
    let set = database.query(SET_RETURNING).bind(2_i64).bind("b").execute_returning().await;
    assert_eq!(set.unwrap().len(), 0);
}

async fn a_compare_and_set_that_finds_no_row_is_a_conflict(database: SqlDatabase) {
    add(&database, 1).await;
    database.query(SET).bind(1_i64).bind("b").execute_one().await.unwrap();
    let missed = database.query(SET).bind(2_i64).bind("b").execute_one().await;
    assert!(matches!(missed, Err(StoreError::Conflict)), "{missed:?}");
}

async fn a_key_that_is_taken_is_a_conflict(database: SqlDatabase) {
    add(&database, 1).await;
    let taken = database.query(ADD).bind(1_i64).bind("other").execute().await;
    assert!(matches!(taken, Err(StoreError::Conflict)), "{taken:?}");
    let mut transaction = database.begin().await.unwrap();
    let taken = transaction.query(ADD).bind(1_i64).bind("other").execute().await;
    assert!(matches!(taken, Err(StoreError::Conflict)), "{taken:?}");
}

async fn any_other_violation_is_a_fault(database: SqlDatabase) {
    let refused = database.query(ADD).bind(1_i64).bind("").execute().await;
    assert!(matches!(refused, Err(StoreError::Database(Failure::Broken(_)))), "{refused:?}");
}

async fn a_value_that_does_not_read_back_names_its_column(database: SqlDatabase) {
    add(&database, 1).await;
    let row = database.query(BODY).bind(1_i64).fetch_optional().await.unwrap().unwrap();
    for error in [
        row.get::<i64>("body").unwrap_err(),
        row.get::<Uuid>("body").unwrap_err(),
        row.parse::<i64>("body").unwrap_err(),
        row.time("body").unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
        assert_eq!(error.to_string(), "a stored body cannot be read");
    }
}

async fn a_committed_transaction_takes_effect_as_a_whole(database: SqlDatabase) {
    let mut transaction = database.begin().await.unwrap();
    transaction.query(ADD).bind(1_i64).bind("a").execute_one().await.unwrap();
    transaction.query(ADD).bind(2_i64).bind("b").execute_one().await.unwrap();
    let own = transaction.query(BODY).bind(2_i64).fetch_optional().await.unwrap();
    assert!(own.is_some(), "it sees what it wrote");
    assert!(ids(&database).await.is_empty(), "and it alone");
    transaction.commit().await.unwrap();
    assert_eq!(ids(&database).await, [1, 2]);
}

async fn a_dropped_transaction_has_no_effect(database: SqlDatabase) {
    for _ in 0..20 {
        let mut transaction = database.begin().await.unwrap();
        transaction.query(ADD).bind(1_i64).bind("a").execute_one().await.unwrap();
        drop(transaction);
    }
    add(&database, 2).await;
    assert_eq!(ids(&database).await, [2]);
}

async fn a_transaction_that_is_rolled_back_has_no_effect(database: SqlDatabase) {
    let mut transaction = database.begin().await.unwrap();
    transaction.query(ADD).bind(1_i64).bind("a").execute_one().await.unwrap();
    transaction.rollback().await.unwrap();
    add(&database, 2).await;
    assert_eq!(ids(&database).await, [2]);
}

async fn a_transaction_with_a_failed_statement_is_not_committed(database: SqlDatabase) {
    add(&database, 1).await;
    let mut transaction = database.begin().await.unwrap();
    transaction.query(ADD).bind(2_i64).bind("a").execute_one().await.unwrap();
    transaction.query(ADD).bind(1_i64).bind("a").execute().await.unwrap_err();
    let refused = transaction.commit().await;
    assert!(matches!(refused, Err(StoreError::Database(Failure::Broken(_)))), "{refused:?}");
    assert_eq!(ids(&database).await, [1]);
}

async fn transactions_that_read_before_they_write_wait_for_each_other(database: SqlDatabase) {
    let writers: Vec<_> = (0..16)
        .map(|id| {
            let database = database.clone();
            tokio::spawn(async move {
                let mut transaction = database.begin().await.unwrap();
                transaction.query(BODY).bind(id).fetch_optional().await.unwrap();
                transaction.query(ADD).bind(id).bind("a").execute_one().await.unwrap();
                transaction.commit().await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(ids(&database).await.len(), 16);
}

async fn a_database_that_is_closed_is_not_available(database: SqlDatabase) {
    match &database {
        SqlDatabase::Sqlite(sqlite) => {
            sqlite.read.close().await;
            sqlite.write.close().await;
        }
        SqlDatabase::Postgres(pool) => pool.close().await,
    }
    let is_unavailable =
        |error: &StoreError| matches!(error, StoreError::Database(Failure::Unavailable(_)));
    assert!(is_unavailable(
        &database.query(ADD).bind(1_i64).bind("a").execute().await.unwrap_err()
    ));
    assert!(database.begin().await.err().is_some_and(|error| is_unavailable(&error)));
}
