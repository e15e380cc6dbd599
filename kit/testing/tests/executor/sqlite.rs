//! What bites on SQLite.

use kit_database::{Failure, SqlDatabase, StoreError};

use crate::{ADD, ADD_RETURNING, SET, SET_RETURNING, add, ids, migrated};

/// Has every change of a note fail when it is committed, and not before, as on a full disk.
const NO_COMMIT: &str = "create table parent (id integer primary key) strict; \
     create table child (parent_id integer references parent deferrable initially deferred) strict; \
     create trigger no_commit after update on note begin insert into child values (1); end";

#[tokio::test]
async fn a_change_that_cannot_be_committed_is_not_acknowledged() {
    let (database, _folder) = kit_testing::sqlite("note").await;
    let database = migrated(database).await;
    let SqlDatabase::Sqlite(sqlite) = &database else { panic!("it is SQLite") };
    sqlx::raw_sql(NO_COMMIT).execute(&sqlite.write).await.unwrap();
    add(&database, 1).await;

    assert!(database.query(SET).bind(1_i64).bind("lost").execute().await.is_err());
    let returning = database.query(SET_RETURNING).bind(1_i64).bind("lost").execute_returning();
    assert!(returning.await.is_err());
    let mut transaction = database.begin().await.unwrap();
    let returning = transaction.query(SET_RETURNING).bind(1_i64).bind("lost").execute_returning();
    returning.await.unwrap();
    assert!(transaction.commit().await.is_err());

    let count = sqlx::query_scalar::<_, i64>("select count(*) from note where body = 'lost'");
    assert_eq!(count.fetch_one(&sqlite.read).await.unwrap(), 0);
    add(&database, 2).await;
    assert_eq!(ids(&database).await, [1, 2]);
}

#[tokio::test]
async fn a_read_that_writes_is_refused() {
    let (database, _folder) = kit_testing::sqlite("note").await;
    let database = migrated(database).await;
    for query in [ADD, ADD_RETURNING] {
        let refused = database.query(query).bind(1_i64).bind("a").fetch_optional().await;
        let Err(StoreError::Database(Failure::Unavailable(error))) = refused else {
            panic!("it must be refused as read-only");
        };
        assert!(error.to_string().contains("readonly database"), "{error}");
    }
    assert!(ids(&database).await.is_empty());
}
