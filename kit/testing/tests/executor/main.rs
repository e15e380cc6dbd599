//! What a store may rely on, whichever database it is on.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod both;
mod postgres;
mod proxy;
mod sqlite;

use kit_database::{Database, Migration, Migrations, Sql, SqlDatabase};

const NOTE: Migrations = Migrations {
    sqlite: &[Migration {
        version: 1,
        name: "note",
        sql: "create table note (note_id integer primary key, body text not null check (body <> '')) strict",
    }],
    postgres: &[Migration {
        version: 1,
        name: "note",
        sql: "create table note (note_id bigint primary key, body text not null check (body <> ''))",
    }],
};

const ADD: Sql = Sql::same("insert into note (note_id, body) values ($1, $2)");
const ADD_RETURNING: Sql =
    Sql::same("insert into note (note_id, body) values ($1, $2) returning body");
const SET: Sql = Sql::same("update note set body = $2 where note_id = $1");
const SET_RETURNING: Sql =
    Sql::same("update note set body = $2 where note_id = $1 returning note_id");
const BODY: Sql = Sql::same("select body from note where note_id = $1");
const IDS: Sql = Sql::same("select note_id from note order by note_id");

/// The migrated database, if it speaks SQL.
async fn migrated(database: Database) -> SqlDatabase {
    database.migrate(&NOTE).await.unwrap();
    database.sql().unwrap()
}

async fn add(database: &SqlDatabase, id: i64) {
    assert_eq!(database.query(ADD).bind(id).bind("a note").execute().await.unwrap(), 1);
}

async fn ids(database: &SqlDatabase) -> Vec<i64> {
    let rows = database.query(IDS).fetch_all().await.unwrap();
    rows.iter().map(|row| row.get("note_id").unwrap()).collect()
}
