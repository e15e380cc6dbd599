//! The text of a statement.

/// Whose SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite's.
    Sqlite,
    /// PostgreSQL's.
    Postgres,
}

/// One statement in both dialects; its parameters are `$1`, `$2`, … in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

impl Sql {
    /// A statement that reads the same in both.
    #[must_use]
    pub const fn same(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }
}
