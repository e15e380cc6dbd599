//! The store in memory, lost at exit: for tests and for a look around.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{IdpStore, StoreError};
use crate::domain::{
    AuthorizationCode, Client, ClientId, RefreshToken, SecretHash, Session, StoredKey, User,
    Username,
};

/// The store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    keys: BTreeMap<i64, StoredKey>,
    users: HashMap<Username, User>,
    clients: HashMap<ClientId, Client>,
    sessions: HashMap<Uuid, Session>,
    tokens: HashMap<SecretHash, RefreshToken>,
    codes: HashMap<SecretHash, AuthorizationCode>,
}

impl MemoryStore {
    /// Nothing in here panics while it holds the lock, so a poisoned one is still whole.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn is_live(&self, session: Uuid) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.revoked_at.is_none())
    }
}

#[async_trait]
impl IdpStore for MemoryStore {
    async fn add_signing_key(&self, key: &StoredKey) -> Result<Vec<StoredKey>, StoreError> {
        self.tables().keys.entry(key.generation).or_insert_with(|| key.clone());
        self.signing_keys().await
    }

    async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        Ok(self.tables().keys.values().cloned().collect())
    }

    async fn put_user(&self, user: &User) -> Result<(), StoreError> {
        self.tables().users.insert(user.name.clone(), user.clone());
        Ok(())
    }

    async fn ensure_user(&self, name: &Username) -> Result<(), StoreError> {
        let make = || User { name: name.clone(), password_hash: None };
        self.tables().users.entry(name.clone()).or_insert_with(make);
        Ok(())
    }

    async fn user(&self, name: &Username) -> Result<Option<User>, StoreError> {
        Ok(self.tables().users.get(name).cloned())
    }

    async fn put_client(&self, client: &Client) -> Result<(), StoreError> {
        self.tables().clients.insert(client.id.clone(), client.clone());
        Ok(())
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        Ok(self.tables().clients.get(id).cloned())
    }

    async fn begin_session(
        &self,
        session: &Session,
        token: &RefreshToken,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.sessions.insert(session.id, session.clone());
        tables.tokens.insert(token.hash, token.clone());
        Ok(())
    }

    async fn refresh_token(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<(RefreshToken, Session)>, StoreError> {
        let tables = self.tables();
        let token = tables.tokens.get(hash);
        Ok(token.and_then(|t| Some((t.clone(), tables.sessions.get(&t.session)?.clone()))))
    }

    async fn rotate(
        &self,
        used: &SecretHash,
        successor: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        if !tables.is_live(successor.session) {
            return Ok(false);
        }
        let token = tables.tokens.get_mut(used);
        let unused = token.filter(|t| t.used_at.is_none() && t.session == successor.session);
        let Some(token) = unused else { return Ok(false) };
        token.used_at = Some(now);
        tables.tokens.insert(successor.hash, successor.clone());
        Ok(true)
    }

    async fn end_session(&self, session: Uuid, now: OffsetDateTime) -> Result<(), StoreError> {
        if let Some(session) = self.tables().sessions.get_mut(&session) {
            session.revoked_at.get_or_insert(now);
        }
        Ok(())
    }

    async fn add_code(&self, code: &AuthorizationCode) -> Result<(), StoreError> {
        self.tables().codes.insert(code.hash, code.clone());
        Ok(())
    }

    async fn code(&self, hash: &SecretHash) -> Result<Option<AuthorizationCode>, StoreError> {
        Ok(self.tables().codes.get(hash).cloned())
    }

    async fn exchange_code(
        &self,
        code: &SecretHash,
        session: &Session,
        token: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let Some(code) = tables.codes.get_mut(code).filter(|code| code.used_at.is_none()) else {
            return Ok(false);
        };
        code.used_at = Some(now);
        tables.sessions.insert(session.id, session.clone());
        tables.tokens.insert(token.hash, token.clone());
        Ok(true)
    }

    async fn purge(&self, before: OffsetDateTime) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.codes.retain(|_, code| code.expires_at >= before);
        tables.tokens.retain(|_, token| token.expires_at >= before);
        let live: HashSet<Uuid> = tables.tokens.values().map(|token| token.session).collect();
        tables.sessions.retain(|id, _| live.contains(id));
        Ok(())
    }
}
