//! The store in PostgreSQL.

use sqlx::{PgPool, Postgres, postgres::PgRow};

use super::sql::sql_store;

/// The store in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// A store in the schema that `pool` finds first, which must be migrated.
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    const fn reader(&self) -> &PgPool {
        &self.pool
    }

    const fn writer(&self) -> &PgPool {
        &self.pool
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin().await
    }
}

sql_store!(PostgresStore, Postgres, PgRow);
