//! What a statement takes for its parameters.

use serde::Serialize;
use sqlx::{Encode, Postgres, Sqlite, Type, types::Json};
use uuid::Uuid;

/// A parameter that both databases take and keep alike.
///
/// Integers are `i64` only: PostgreSQL prepares a statement for the types it was first used with,
/// and misreads another width later. Times are bound as [`micros`](crate::micros): SQLite
/// would keep text. Lists are bound as [`Json`]: SQLite has no arrays.
pub trait Value<'a>:
    Encode<'a, Sqlite> + Type<Sqlite> + Encode<'a, Postgres> + Type<Postgres>
{
}

impl Value<'_> for bool {}
impl Value<'_> for f64 {}
impl Value<'_> for i64 {}
impl Value<'_> for String {}
impl Value<'_> for Uuid {}
impl Value<'_> for Vec<u8> {}
impl<'a> Value<'a> for &'a str {}
impl<'a> Value<'a> for &'a [u8] {}
impl<T: Serialize> Value<'_> for Json<T> {}
impl<'a, T: Serialize> Value<'a> for &'a Json<T> {}
impl<'a, T: Value<'a> + 'a> Value<'a> for Option<T> {}
