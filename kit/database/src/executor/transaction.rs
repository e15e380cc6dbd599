//! Several statements that take effect together or not at all.

use sqlx::{Postgres, Sqlite};

use super::{Query, Sql, SqlDatabase, postgres, sqlite};
use crate::StoreError;

/// An open transaction. Rolled back unless it is committed.
#[must_use = "a transaction is rolled back unless it is committed"]
pub struct Transaction {
    driver: Driver,
    /// Whether a statement failed or was given up.
    failed: bool,
}

enum Driver {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    pub(super) async fn begin(database: &SqlDatabase) -> Result<Self, StoreError> {
        let driver = match database {
            SqlDatabase::Sqlite(sqlite) => {
                Driver::Sqlite(sqlite.write.begin_with("begin immediate").await?)
            }
            SqlDatabase::Postgres(pool) => Driver::Postgres(postgres::begin(pool).await?),
        };
        Ok(Self { driver, failed: false })
    }

    /// A statement in this transaction.
    pub fn query(&mut self, sql: Sql) -> Query<'_> {
        let query = match &mut self.driver {
            Driver::Sqlite(inner) => Query::on_sqlite(sqlite::Target::Transaction(inner), sql),
            Driver::Postgres(inner) => {
                Query::on_postgres(postgres::Target::Transaction(inner), sql)
            }
        };
        query.noting(&mut self.failed)
    }

    /// Has everything take effect.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Database`]. The latter also, and everything is rolled
    /// back, if a statement failed: PostgreSQL would roll back and report success, SQLite would
    /// commit the others.
    pub async fn commit(self) -> Result<(), StoreError> {
        if self.failed {
            let fault = "a transaction with a failed statement cannot be committed";
            return Err(sqlx::Error::InvalidArgument(fault.to_owned()).into());
        }
        match self.driver {
            Driver::Sqlite(inner) => inner.commit().await?,
            Driver::Postgres(inner) => inner.commit().await?,
        }
        Ok(())
    }

    /// Undoes everything, and waits for that. Dropping the transaction does the same in the
    /// background.
    ///
    /// # Errors
    /// [`StoreError::Database`]; nothing has taken effect even so.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.driver {
            Driver::Sqlite(inner) => inner.rollback().await?,
            Driver::Postgres(inner) => inner.rollback().await?,
        }
        Ok(())
    }
}
