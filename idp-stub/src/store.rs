//! What outlives a process: users, clients, keys, sessions, codes.
//!
//! Each method is one transaction and decides nothing but who was first. The rules of
//! what is valid are in `domain`. Users and clients are never deleted.

mod memory;
mod row;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use kit_database::{Database, Migration, Migrations};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{
    AuthorizationCode, Client, ClientId, RefreshToken, SecretHash, Session, StoredKey, User,
    Username,
};

pub use kit_database::StoreError;
pub use memory::MemoryStore;
pub use sql::SqlStore;

/// The tables, for both databases.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[Migration {
        version: 1,
        name: "identity",
        sql: include_str!("../migrations/sqlite/0001_identity.sql"),
    }],
    postgres: &[Migration {
        version: 1,
        name: "identity",
        sql: include_str!("../migrations/postgres/0001_identity.sql"),
    }],
};

/// The store of one identity provider, shared by its replicas.
#[async_trait]
pub trait IdpStore: Send + Sync {
    /// Keeps `key` unless there is one of its generation, and returns all keys, oldest first. Two
    /// replicas that start at once end with the same keys.
    async fn add_signing_key(&self, key: &StoredKey) -> Result<Vec<StoredKey>, StoreError>;

    /// All keys, oldest first.
    async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError>;

    /// Makes or replaces a user.
    async fn put_user(&self, user: &User) -> Result<(), StoreError>;

    /// Makes a user without a password, unless there is one of that name.
    async fn ensure_user(&self, name: &Username) -> Result<(), StoreError>;

    /// The user, if there is one of that name.
    async fn user(&self, name: &Username) -> Result<Option<User>, StoreError>;

    /// Makes or replaces a client.
    async fn put_client(&self, client: &Client) -> Result<(), StoreError>;

    /// The client, if there is one of that id.
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError>;

    /// Begins a session with its first refresh token.
    async fn begin_session(
        &self,
        session: &Session,
        token: &RefreshToken,
    ) -> Result<(), StoreError>;

    /// The refresh token with its session, if there is one.
    async fn refresh_token(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<(RefreshToken, Session)>, StoreError>;

    /// Exchanges a refresh token for `successor` of the same session. False, and nothing changed, if
    /// it was exchanged before or the session was ended: of two callers at once, one is told true.
    async fn rotate(
        &self,
        used: &SecretHash,
        successor: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Ends a session. Safe to repeat; the first time stands.
    async fn end_session(&self, session: Uuid, now: OffsetDateTime) -> Result<(), StoreError>;

    /// Keeps a new authorization code.
    async fn add_code(&self, code: &AuthorizationCode) -> Result<(), StoreError>;

    /// The authorization code, if there is one.
    async fn code(&self, hash: &SecretHash) -> Result<Option<AuthorizationCode>, StoreError>;

    /// Exchanges a code for the session that it begins and the first refresh token of that. False,
    /// and nothing changed, if it was exchanged before.
    async fn exchange_code(
        &self,
        code: &SecretHash,
        session: &Session,
        token: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Forgets the tokens and codes that had expired before `before`, and sessions without any token
    /// left.
    async fn purge(&self, before: OffsetDateTime) -> Result<(), StoreError>;
}

/// The store in `database`, which must be migrated.
#[must_use]
pub fn open(database: &Database) -> Arc<dyn IdpStore> {
    match database.sql() {
        Some(database) => Arc::new(SqlStore::new(database)),
        None => Arc::new(MemoryStore::default()),
    }
}
