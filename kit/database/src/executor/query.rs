//! A statement with its parameters.

use sqlx::{Arguments as _, error::BoxDynError, postgres::PgArguments, sqlite::SqliteArguments};

use super::{Dialect, Row, Sql, SqlDatabase, Value, postgres, sqlite};
use crate::StoreError;

/// A statement that is about to run: [`bind`](Self::bind) its parameters in order, then call one of
/// the others.
#[must_use = "a statement runs when it is told what to do with its rows"]
pub struct Query<'a> {
    target: Target<'a>,
    text: &'static str,
    unencodable: Option<BoxDynError>,
    /// Of the transaction, if it runs in one.
    failed: Option<&'a mut bool>,
}

/// Where it runs, and its parameters as that database takes them.
enum Target<'a> {
    Sqlite(sqlite::Target<'a>, SqliteArguments),
    Postgres(postgres::Target<'a>, PgArguments),
}

/// Whether a statement changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What a statement did.
pub(super) struct Done<R> {
    pub(super) rows: Vec<R>,
    /// How many rows it changed; none as long as it has not ended.
    pub(super) affected: Option<u64>,
}

impl<R> Default for Done<R> {
    fn default() -> Self {
        Self { rows: Vec::new(), affected: None }
    }
}

impl<'a> Query<'a> {
    pub(super) fn on_database(database: &'a SqlDatabase, sql: Sql) -> Self {
        match database {
            SqlDatabase::Sqlite(sqlite) => Self::on_sqlite(sqlite::Target::Database(sqlite), sql),
            SqlDatabase::Postgres(pool) => Self::on_postgres(postgres::Target::Pool(pool), sql),
        }
    }

    pub(super) fn on_sqlite(on: sqlite::Target<'a>, sql: Sql) -> Self {
        let target = Target::Sqlite(on, SqliteArguments::default());
        Self { target, text: sql.sqlite, unencodable: None, failed: None }
    }

    pub(super) fn on_postgres(on: postgres::Target<'a>, sql: Sql) -> Self {
        let target = Target::Postgres(on, PgArguments::default());
        Self { target, text: sql.postgres, unencodable: None, failed: None }
    }

    /// Has `failed` say whether the transaction has a statement that failed or was given up.
    pub(super) fn noting(self, failed: &'a mut bool) -> Self {
        Self { failed: Some(failed), ..self }
    }

    /// Binds the next parameter.
    pub fn bind<'v, T: Value<'v>>(mut self, value: T) -> Self {
        let added = match &mut self.target {
            Target::Sqlite(_, arguments) => arguments.add(value),
            Target::Postgres(_, arguments) => arguments.add(value),
        };
        self.unencodable = self.unencodable.or(added.err());
        self
    }

    /// Binds the next parameter on one database only: the statement of the other must have no such
    /// parameter.
    pub fn bind_on<'v, T: Value<'v>>(self, dialect: Dialect, value: T) -> Self {
        let takes_it = match self.target {
            Target::Sqlite(..) => dialect == Dialect::Sqlite,
            Target::Postgres(..) => dialect == Dialect::Postgres,
        };
        if takes_it { self.bind(value) } else { self }
    }

    /// Reads all rows.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Database`].
    pub async fn fetch_all(self) -> Result<Vec<Row>, StoreError> {
        Ok(self.run(Access::Read).await?.rows)
    }

    /// Reads the only row, or the first.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Database`].
    pub async fn fetch_optional(self) -> Result<Option<Row>, StoreError> {
        Ok(self.run(Access::Read).await?.rows.into_iter().next())
    }

    /// Writes. Answers how many rows that changed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Database`].
    pub async fn execute(self) -> Result<u64, StoreError> {
        Ok(self.run(Access::Write).await?.affected.unwrap_or_default())
    }

    /// Writes one row: a compare-and-set.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] also if there was no row to write.
    pub async fn execute_one(self) -> Result<(), StoreError> {
        if self.execute().await? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Writes, by a statement that ends with `returning`. Answers the rows that changed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Database`].
    pub async fn execute_returning(self) -> Result<Vec<Row>, StoreError> {
        Ok(self.run(Access::Write).await?.rows)
    }

    async fn run(self, access: Access) -> Result<Done<Row>, StoreError> {
        let Self { target, text, unencodable, mut failed } = self;
        // Until it has ended well: the caller may give up in the middle.
        let had_failed =
            failed.as_deref_mut().is_some_and(|failed| std::mem::replace(failed, true));
        if let Some(error) = unencodable {
            return Err(sqlx::Error::Encode(error).into());
        }
        let done = match target {
            Target::Sqlite(on, arguments) => rows(on.run(text, arguments, access).await?),
            Target::Postgres(on, arguments) => rows(on.run(text, arguments, access).await?),
        };
        if let Some(failed) = failed {
            *failed = had_failed;
        }
        Ok(done)
    }
}

fn rows<R: Into<Row>>(done: Done<R>) -> Done<Row> {
    Done { rows: done.rows.into_iter().map(Into::into).collect(), affected: done.affected }
}
