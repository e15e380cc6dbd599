//! The statements, which are the same on both databases, and the code around them, which differs in
//! the driver's types only: hence a macro, where generic code would be mostly bounds.

pub(super) const ADD_SIGNING_KEY: &str = "
    insert into signing_key (generation, kid, pkcs8, created_at) values ($1, $2, $3, $4)
    on conflict (generation) do nothing";

pub(super) const SIGNING_KEYS: &str =
    "select generation, kid, pkcs8, created_at from signing_key order by generation";

pub(super) const PUT_USER: &str = "
    insert into user_account (user_name, password_hash) values ($1, $2)
    on conflict (user_name) do update set password_hash = excluded.password_hash";

pub(super) const ENSURE_USER: &str = "
    insert into user_account (user_name) values ($1) on conflict (user_name) do nothing";

pub(super) const USER: &str =
    "select user_name, password_hash from user_account where user_name = $1";

pub(super) const PUT_CLIENT: &str = "
    insert into client (client_id, secret, scopes, redirect_uris, may_impersonate)
    values ($1, $2, $3, $4, $5)
    on conflict (client_id) do update set
        secret = excluded.secret, scopes = excluded.scopes,
        redirect_uris = excluded.redirect_uris, may_impersonate = excluded.may_impersonate";

pub(super) const CLIENT: &str = "
    select client_id, secret, scopes, redirect_uris, may_impersonate
    from client where client_id = $1";

pub(super) const ADD_SESSION: &str = "
    insert into session (session_id, user_name, client_id, scopes, signed_in_at, refreshed_at)
    values ($1, $2, $3, $4, $5, $5)";

pub(super) const ADD_REFRESH_TOKEN: &str = "
    insert into refresh_token (fingerprint, session_id, expires_at) values ($1, $2, $3)";

pub(super) const REFRESH_TOKEN: &str = "
    select t.fingerprint, t.session_id, t.expires_at, t.used_at,
        s.user_name, s.client_id, s.scopes, s.signed_in_at, s.revoked_at
    from refresh_token t join session s on s.session_id = t.session_id
    where t.fingerprint = $1";

pub(super) const USE_REFRESH_TOKEN: &str = "
    update refresh_token set used_at = $2
    where fingerprint = $1 and session_id = $3 and used_at is null";

// Written also where nothing but the time changes: it locks the row, so that ending the session
// either comes first and is seen here, or comes later and ends the successor with it.
pub(super) const KEEP_SESSION: &str =
    "update session set refreshed_at = $2 where session_id = $1 and revoked_at is null";

pub(super) const END_SESSION: &str =
    "update session set revoked_at = $2 where session_id = $1 and revoked_at is null";

pub(super) const ADD_CODE: &str = "
    insert into authorization_code (fingerprint, client_id, redirect_uri, user_name, scopes,
        challenge, nonce, session_id, signed_in_at, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

pub(super) const CODE: &str = "
    select fingerprint, client_id, redirect_uri, user_name, scopes, challenge, nonce, session_id,
        signed_in_at, expires_at, used_at
    from authorization_code where fingerprint = $1";

pub(super) const USE_CODE: &str =
    "update authorization_code set used_at = $2 where fingerprint = $1 and used_at is null";

pub(super) const PURGE_CODES: &str = "delete from authorization_code where expires_at < $1";

pub(super) const PURGE_REFRESH_TOKENS: &str = "delete from refresh_token where expires_at < $1";

pub(super) const PURGE_SESSIONS: &str = "
    delete from session where not exists (
        select 1 from refresh_token t where t.session_id = session.session_id)";

/// What stands in a column must read back; if not, another version or a person wrote it.
pub(super) fn parsed<T: std::str::FromStr>(
    table: &'static str,
    text: &str,
) -> Result<T, super::StoreError> {
    text.parse().map_err(|_| super::StoreError::Unreadable { table })
}

/// A fingerprint from its column.
pub(super) fn fingerprint(
    table: &'static str,
    bytes: &[u8],
) -> Result<crate::domain::Fingerprint, super::StoreError> {
    let bytes: Result<[u8; 32], _> = bytes.try_into();
    bytes.map(Into::into).map_err(|_| super::StoreError::Unreadable { table })
}

/// Redirect URIs hold no space, so that a space can stand between two.
pub(super) fn joined(uris: &[crate::domain::RedirectUri]) -> String {
    uris.iter().map(crate::domain::RedirectUri::as_str).collect::<Vec<_>>().join(" ")
}

/// Implements the store for `$store`, which has `reader()`, `writer()` and `begin()`, and whose
/// driver is `$db` and gives rows of the type `$row`.
macro_rules! sql_store {
    ($store:ident, $db:ty, $row:ty) => {
        use async_trait::async_trait;
        use service_kit::database::{from_micros, micros};
        use sqlx::{Row as _, Transaction, query};
        use time::OffsetDateTime;
        use uuid::Uuid;

        use super::{IdpStore, StoreError, sql};
        use crate::domain::{
            AuthorizationCode, Client, ClientId, Fingerprint, RefreshToken, Session, StoredKey,
            User, Username,
        };

        #[async_trait]
        impl IdpStore for $store {
            async fn add_signing_key(&self, key: &StoredKey) -> Result<Vec<StoredKey>, StoreError> {
                query(sql::ADD_SIGNING_KEY)
                    .bind(key.generation)
                    .bind(&key.kid)
                    .bind(&key.pkcs8)
                    .bind(micros(key.created_at))
                    .execute(self.writer())
                    .await?;
                self.signing_keys().await
            }

            async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
                let rows = query(sql::SIGNING_KEYS).fetch_all(self.reader()).await?;
                rows.iter().map(read_key).collect()
            }

            async fn put_user(&self, user: &User) -> Result<(), StoreError> {
                query(sql::PUT_USER)
                    .bind(user.name.as_str())
                    .bind(user.password_hash.as_deref())
                    .execute(self.writer())
                    .await?;
                Ok(())
            }

            async fn ensure_user(&self, name: &Username) -> Result<(), StoreError> {
                query(sql::ENSURE_USER).bind(name.as_str()).execute(self.writer()).await?;
                Ok(())
            }

            async fn user(&self, name: &Username) -> Result<Option<User>, StoreError> {
                let found = query(sql::USER).bind(name.as_str()).fetch_optional(self.reader());
                found.await?.as_ref().map(read_user).transpose()
            }

            async fn put_client(&self, client: &Client) -> Result<(), StoreError> {
                query(sql::PUT_CLIENT)
                    .bind(client.id.as_str())
                    .bind(client.secret.as_ref().map(|secret| secret.as_bytes().as_slice()))
                    .bind(client.scopes.to_string())
                    .bind(sql::joined(&client.redirect_uris))
                    .bind(client.may_impersonate)
                    .execute(self.writer())
                    .await?;
                Ok(())
            }

            async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
                let found = query(sql::CLIENT).bind(id.as_str()).fetch_optional(self.reader());
                found.await?.as_ref().map(read_client).transpose()
            }

            async fn begin_session(
                &self,
                session: &Session,
                token: &RefreshToken,
            ) -> Result<(), StoreError> {
                let mut tx = self.begin().await?;
                insert_session(&mut tx, session).await?;
                insert_refresh_token(&mut tx, token).await?;
                tx.commit().await?;
                Ok(())
            }

            async fn refresh_token(
                &self,
                fingerprint: &Fingerprint,
            ) -> Result<Option<(RefreshToken, Session)>, StoreError> {
                let found = query(sql::REFRESH_TOKEN)
                    .bind(fingerprint.as_bytes().as_slice())
                    .fetch_optional(self.reader());
                found.await?.as_ref().map(read_refresh_token).transpose()
            }

            async fn rotate(
                &self,
                used: &Fingerprint,
                successor: &RefreshToken,
                now: OffsetDateTime,
            ) -> Result<bool, StoreError> {
                let mut tx = self.begin().await?;
                let taken = query(sql::USE_REFRESH_TOKEN)
                    .bind(used.as_bytes().as_slice())
                    .bind(micros(now))
                    .bind(successor.session)
                    .execute(&mut *tx)
                    .await?;
                let kept = query(sql::KEEP_SESSION)
                    .bind(successor.session)
                    .bind(micros(now))
                    .execute(&mut *tx)
                    .await?;
                if taken.rows_affected() != 1 || kept.rows_affected() != 1 {
                    tx.rollback().await?;
                    return Ok(false);
                }
                insert_refresh_token(&mut tx, successor).await?;
                tx.commit().await?;
                Ok(true)
            }

            async fn end_session(
                &self,
                session: Uuid,
                now: OffsetDateTime,
            ) -> Result<(), StoreError> {
                query(sql::END_SESSION)
                    .bind(session)
                    .bind(micros(now))
                    .execute(self.writer())
                    .await?;
                Ok(())
            }

            async fn add_code(&self, code: &AuthorizationCode) -> Result<(), StoreError> {
                query(sql::ADD_CODE)
                    .bind(code.fingerprint.as_bytes().as_slice())
                    .bind(code.client.as_str())
                    .bind(code.redirect_uri.as_str())
                    .bind(code.user.as_str())
                    .bind(code.scopes.to_string())
                    .bind(code.challenge.as_str())
                    .bind(code.nonce.as_deref())
                    .bind(code.session)
                    .bind(micros(code.signed_in_at))
                    .bind(micros(code.expires_at))
                    .execute(self.writer())
                    .await?;
                Ok(())
            }

            async fn code(
                &self,
                fingerprint: &Fingerprint,
            ) -> Result<Option<AuthorizationCode>, StoreError> {
                let found = query(sql::CODE)
                    .bind(fingerprint.as_bytes().as_slice())
                    .fetch_optional(self.reader());
                found.await?.as_ref().map(read_code).transpose()
            }

            async fn exchange_code(
                &self,
                code: &Fingerprint,
                session: &Session,
                token: &RefreshToken,
                now: OffsetDateTime,
            ) -> Result<bool, StoreError> {
                let mut tx = self.begin().await?;
                let taken = query(sql::USE_CODE)
                    .bind(code.as_bytes().as_slice())
                    .bind(micros(now))
                    .execute(&mut *tx)
                    .await?;
                if taken.rows_affected() != 1 {
                    tx.rollback().await?;
                    return Ok(false);
                }
                insert_session(&mut tx, session).await?;
                insert_refresh_token(&mut tx, token).await?;
                tx.commit().await?;
                Ok(true)
            }

            async fn purge(&self, before: OffsetDateTime) -> Result<(), StoreError> {
                let mut tx = self.begin().await?;
                query(sql::PURGE_CODES).bind(micros(before)).execute(&mut *tx).await?;
                query(sql::PURGE_REFRESH_TOKENS).bind(micros(before)).execute(&mut *tx).await?;
                query(sql::PURGE_SESSIONS).execute(&mut *tx).await?;
                tx.commit().await?;
                Ok(())
            }
        }

        async fn insert_session(
            tx: &mut Transaction<'_, $db>,
            session: &Session,
        ) -> sqlx::Result<()> {
            query(sql::ADD_SESSION)
                .bind(session.id)
                .bind(session.user.as_str())
                .bind(session.client.as_ref().map(ClientId::as_str))
                .bind(session.scopes.to_string())
                .bind(micros(session.signed_in_at))
                .execute(&mut **tx)
                .await?;
            Ok(())
        }

        async fn insert_refresh_token(
            tx: &mut Transaction<'_, $db>,
            token: &RefreshToken,
        ) -> sqlx::Result<()> {
            query(sql::ADD_REFRESH_TOKEN)
                .bind(token.fingerprint.as_bytes().as_slice())
                .bind(token.session)
                .bind(micros(token.expires_at))
                .execute(&mut **tx)
                .await?;
            Ok(())
        }

        fn read_key(row: &$row) -> Result<StoredKey, StoreError> {
            Ok(StoredKey {
                generation: row.try_get("generation")?,
                kid: row.try_get("kid")?,
                pkcs8: row.try_get("pkcs8")?,
                created_at: from_micros(row.try_get("created_at")?),
            })
        }

        fn read_user(row: &$row) -> Result<User, StoreError> {
            Ok(User {
                name: sql::parsed("user_account", row.try_get("user_name")?)?,
                password_hash: row.try_get("password_hash")?,
            })
        }

        fn read_client(row: &$row) -> Result<Client, StoreError> {
            const TABLE: &str = "client";
            let secret: Option<&[u8]> = row.try_get("secret")?;
            let uris: &str = row.try_get("redirect_uris")?;
            let uris = uris.split(' ').filter(|uri| !uri.is_empty());
            Ok(Client {
                id: sql::parsed(TABLE, row.try_get("client_id")?)?,
                secret: secret.map(|bytes| sql::fingerprint(TABLE, bytes)).transpose()?,
                scopes: sql::parsed(TABLE, row.try_get("scopes")?)?,
                redirect_uris: uris.map(|uri| sql::parsed(TABLE, uri)).collect::<Result<_, _>>()?,
                may_impersonate: row.try_get("may_impersonate")?,
            })
        }

        fn read_refresh_token(row: &$row) -> Result<(RefreshToken, Session), StoreError> {
            const TABLE: &str = "session";
            let client: Option<&str> = row.try_get("client_id")?;
            let session = Session {
                id: row.try_get("session_id")?,
                user: sql::parsed(TABLE, row.try_get("user_name")?)?,
                client: client.map(|id| sql::parsed(TABLE, id)).transpose()?,
                scopes: sql::parsed(TABLE, row.try_get("scopes")?)?,
                signed_in_at: from_micros(row.try_get("signed_in_at")?),
                revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(from_micros),
            };
            let token = RefreshToken {
                fingerprint: sql::fingerprint("refresh_token", row.try_get("fingerprint")?)?,
                session: session.id,
                expires_at: from_micros(row.try_get("expires_at")?),
                used_at: row.try_get::<Option<i64>, _>("used_at")?.map(from_micros),
            };
            Ok((token, session))
        }

        fn read_code(row: &$row) -> Result<AuthorizationCode, StoreError> {
            const TABLE: &str = "authorization_code";
            Ok(AuthorizationCode {
                fingerprint: sql::fingerprint(TABLE, row.try_get("fingerprint")?)?,
                client: sql::parsed(TABLE, row.try_get("client_id")?)?,
                redirect_uri: sql::parsed(TABLE, row.try_get("redirect_uri")?)?,
                user: sql::parsed(TABLE, row.try_get("user_name")?)?,
                scopes: sql::parsed(TABLE, row.try_get("scopes")?)?,
                challenge: sql::parsed(TABLE, row.try_get("challenge")?)?,
                nonce: row.try_get("nonce")?,
                session: row.try_get("session_id")?,
                signed_in_at: from_micros(row.try_get("signed_in_at")?),
                expires_at: from_micros(row.try_get("expires_at")?),
                used_at: row.try_get::<Option<i64>, _>("used_at")?.map(from_micros),
            })
        }
    };
}
pub(super) use sql_store;
