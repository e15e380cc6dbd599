//! The store in SQLite or PostgreSQL. The statements read the same on both.

use async_trait::async_trait;
use kit_database::{Sql, SqlDatabase, Transaction, micros};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{IdpStore, StoreError, row};
use crate::domain::{
    AuthorizationCode, Client, ClientId, RefreshToken, SecretHash, Session, StoredKey, User,
    Username,
};

const ADD_SIGNING_KEY: Sql = Sql::same(
    "
    insert into signing_key (generation, kid, pkcs8, created_at) values ($1, $2, $3, $4)
    on conflict (generation) do nothing",
);

const SIGNING_KEYS: Sql =
    Sql::same("select generation, kid, pkcs8, created_at from signing_key order by generation");

const PUT_USER: Sql = Sql::same(
    "
    insert into user_account (user_name, password_hash) values ($1, $2)
    on conflict (user_name) do update set password_hash = excluded.password_hash",
);

const ENSURE_USER: Sql = Sql::same(
    "
    insert into user_account (user_name) values ($1) on conflict (user_name) do nothing",
);

const USER: Sql =
    Sql::same("select user_name, password_hash from user_account where user_name = $1");

const PUT_CLIENT: Sql = Sql::same(
    "
    insert into client (client_id, secret_hash, scopes, redirect_uris, may_impersonate)
    values ($1, $2, $3, $4, $5)
    on conflict (client_id) do update set
        secret_hash = excluded.secret_hash, scopes = excluded.scopes,
        redirect_uris = excluded.redirect_uris, may_impersonate = excluded.may_impersonate",
);

const CLIENT: Sql = Sql::same(
    "
    select client_id, secret_hash, scopes, redirect_uris, may_impersonate
    from client where client_id = $1",
);

const ADD_SESSION: Sql = Sql::same(
    "
    insert into session (session_id, user_name, client_id, scopes, signed_in_at, refreshed_at)
    values ($1, $2, $3, $4, $5, $5)",
);

const ADD_REFRESH_TOKEN: Sql = Sql::same(
    "
    insert into refresh_token (token_hash, session_id, expires_at) values ($1, $2, $3)",
);

const REFRESH_TOKEN: Sql = Sql::same(
    "
    select t.token_hash, t.session_id, t.expires_at, t.used_at,
        s.user_name, s.client_id, s.scopes, s.signed_in_at, s.revoked_at
    from refresh_token t join session s on s.session_id = t.session_id
    where t.token_hash = $1",
);

const USE_REFRESH_TOKEN: Sql = Sql::same(
    "
    update refresh_token set used_at = $2
    where token_hash = $1 and session_id = $3 and used_at is null",
);

// Written also where nothing but the time changes: it locks the row, so that ending the session
// either comes first and is seen here, or comes later and ends the successor with it.
const KEEP_SESSION: Sql =
    Sql::same("update session set refreshed_at = $2 where session_id = $1 and revoked_at is null");

const END_SESSION: Sql =
    Sql::same("update session set revoked_at = $2 where session_id = $1 and revoked_at is null");

const ADD_CODE: Sql = Sql::same(
    "
    insert into authorization_code (code_hash, client_id, redirect_uri, user_name, scopes,
        challenge, nonce, session_id, signed_in_at, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
);

const CODE: Sql = Sql::same(
    "
    select code_hash, client_id, redirect_uri, user_name, scopes, challenge, nonce, session_id,
        signed_in_at, expires_at, used_at
    from authorization_code where code_hash = $1",
);

const USE_CODE: Sql = Sql::same(
    "update authorization_code set used_at = $2 where code_hash = $1 and used_at is null",
);

const PURGE_CODES: Sql = Sql::same("delete from authorization_code where expires_at < $1");

const PURGE_REFRESH_TOKENS: Sql = Sql::same("delete from refresh_token where expires_at < $1");

const PURGE_SESSIONS: Sql = Sql::same(
    "
    delete from session where not exists (
        select 1 from refresh_token t where t.session_id = session.session_id)",
);

/// The store in a database.
pub struct SqlStore {
    database: SqlDatabase,
}

impl SqlStore {
    /// A store in `database`, which must be migrated.
    #[must_use]
    pub const fn new(database: SqlDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl IdpStore for SqlStore {
    async fn add_signing_key(&self, key: &StoredKey) -> Result<Vec<StoredKey>, StoreError> {
        let add = self
            .database
            .query(ADD_SIGNING_KEY)
            .bind(key.generation)
            .bind(key.kid.as_str())
            .bind(key.pkcs8.as_slice())
            .bind(micros(key.created_at));
        add.execute().await?;
        self.signing_keys().await
    }

    async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        self.database.query(SIGNING_KEYS).fetch_all().await?.iter().map(row::key).collect()
    }

    async fn put_user(&self, user: &User) -> Result<(), StoreError> {
        let put = self.database.query(PUT_USER).bind(user.name.as_str());
        put.bind(user.password_hash.as_deref()).execute_one().await
    }

    async fn ensure_user(&self, name: &Username) -> Result<(), StoreError> {
        self.database.query(ENSURE_USER).bind(name.as_str()).execute().await?;
        Ok(())
    }

    async fn user(&self, name: &Username) -> Result<Option<User>, StoreError> {
        let found = self.database.query(USER).bind(name.as_str()).fetch_optional().await?;
        found.as_ref().map(row::user).transpose()
    }

    async fn put_client(&self, client: &Client) -> Result<(), StoreError> {
        let put = self
            .database
            .query(PUT_CLIENT)
            .bind(client.id.as_str())
            .bind(client.secret_hash.as_ref().map(|hash| hash.as_bytes().as_slice()))
            .bind(client.scopes.to_string())
            .bind(row::redirect_uris_column(&client.redirect_uris))
            .bind(client.may_impersonate);
        put.execute_one().await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let found = self.database.query(CLIENT).bind(id.as_str()).fetch_optional().await?;
        found.as_ref().map(row::client).transpose()
    }

    async fn begin_session(
        &self,
        session: &Session,
        token: &RefreshToken,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        add_session(&mut transaction, session).await?;
        add_refresh_token(&mut transaction, token).await?;
        transaction.commit().await
    }

    async fn refresh_token(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<(RefreshToken, Session)>, StoreError> {
        let find = self.database.query(REFRESH_TOKEN).bind(hash.as_bytes().as_slice());
        find.fetch_optional().await?.as_ref().map(row::refresh_token).transpose()
    }

    async fn rotate(
        &self,
        used: &SecretHash,
        successor: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin().await?;
        let take = transaction
            .query(USE_REFRESH_TOKEN)
            .bind(used.as_bytes().as_slice())
            .bind(micros(now))
            .bind(successor.session);
        let taken = take.execute().await?;
        let keep = transaction.query(KEEP_SESSION).bind(successor.session).bind(micros(now));
        let kept = keep.execute().await?;
        if taken != 1 || kept != 1 {
            transaction.rollback().await?;
            return Ok(false);
        }
        add_refresh_token(&mut transaction, successor).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn end_session(&self, session: Uuid, now: OffsetDateTime) -> Result<(), StoreError> {
        self.database.query(END_SESSION).bind(session).bind(micros(now)).execute().await?;
        Ok(())
    }

    async fn add_code(&self, code: &AuthorizationCode) -> Result<(), StoreError> {
        let add = self
            .database
            .query(ADD_CODE)
            .bind(code.hash.as_bytes().as_slice())
            .bind(code.client.as_str())
            .bind(code.redirect_uri.as_str())
            .bind(code.user.as_str())
            .bind(code.scopes.to_string())
            .bind(code.challenge.as_str())
            .bind(code.nonce.as_deref())
            .bind(code.session)
            .bind(micros(code.signed_in_at))
            .bind(micros(code.expires_at));
        add.execute_one().await
    }

    async fn code(&self, hash: &SecretHash) -> Result<Option<AuthorizationCode>, StoreError> {
        let find = self.database.query(CODE).bind(hash.as_bytes().as_slice());
        find.fetch_optional().await?.as_ref().map(row::code).transpose()
    }

    async fn exchange_code(
        &self,
        code: &SecretHash,
        session: &Session,
        token: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin().await?;
        let take = transaction.query(USE_CODE).bind(code.as_bytes().as_slice()).bind(micros(now));
        if take.execute().await? != 1 {
            transaction.rollback().await?;
            return Ok(false);
        }
        add_session(&mut transaction, session).await?;
        add_refresh_token(&mut transaction, token).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn purge(&self, before: OffsetDateTime) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        transaction.query(PURGE_CODES).bind(micros(before)).execute().await?;
        transaction.query(PURGE_REFRESH_TOKENS).bind(micros(before)).execute().await?;
        transaction.query(PURGE_SESSIONS).execute().await?;
        transaction.commit().await
    }
}

async fn add_session(on: &mut Transaction, session: &Session) -> Result<(), StoreError> {
    let add = on
        .query(ADD_SESSION)
        .bind(session.id)
        .bind(session.user.as_str())
        .bind(session.client.as_ref().map(ClientId::as_str))
        .bind(session.scopes.to_string())
        .bind(micros(session.signed_in_at));
    add.execute_one().await
}

async fn add_refresh_token(on: &mut Transaction, token: &RefreshToken) -> Result<(), StoreError> {
    let add = on
        .query(ADD_REFRESH_TOKEN)
        .bind(token.hash.as_bytes().as_slice())
        .bind(token.session)
        .bind(micros(token.expires_at));
    add.execute_one().await
}
