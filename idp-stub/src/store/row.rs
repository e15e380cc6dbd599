//! How what the identity provider keeps stands in columns.

use kit_database::Row;

use super::StoreError;
use crate::domain::{
    AuthorizationCode, Client, RedirectUri, RefreshToken, SecretHash, Session, StoredKey, User,
};

/// A key from the columns of `signing_key`.
pub(super) fn key(row: &Row) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        generation: row.get("generation")?,
        kid: row.get("kid")?,
        pkcs8: row.get("pkcs8")?,
        created_at: row.time("created_at")?,
    })
}

/// A user from the columns of `user_account`.
pub(super) fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User { name: row.parse("user_name")?, password_hash: row.get("password_hash")? })
}

/// A client from the columns of `client`.
pub(super) fn client(row: &Row) -> Result<Client, StoreError> {
    let secret_hash: Option<&[u8]> = row.get("secret_hash")?;
    Ok(Client {
        id: row.parse("client_id")?,
        secret_hash: secret_hash.map(hash).transpose()?,
        scopes: row.parse("scopes")?,
        redirect_uris: redirect_uris(row.get("redirect_uris")?)?,
        may_impersonate: row.get("may_impersonate")?,
    })
}

/// A refresh token and its session from the columns of `refresh_token` and `session`.
pub(super) fn refresh_token(row: &Row) -> Result<(RefreshToken, Session), StoreError> {
    let session = Session {
        id: row.get("session_id")?,
        user: row.parse("user_name")?,
        client: row.parse_optional("client_id")?,
        scopes: row.parse("scopes")?,
        signed_in_at: row.time("signed_in_at")?,
        revoked_at: row.time_optional("revoked_at")?,
    };
    let token = RefreshToken {
        hash: hash(row.get("token_hash")?)?,
        session: session.id,
        expires_at: row.time("expires_at")?,
        used_at: row.time_optional("used_at")?,
    };
    Ok((token, session))
}

/// A code from the columns of `authorization_code`.
pub(super) fn code(row: &Row) -> Result<AuthorizationCode, StoreError> {
    Ok(AuthorizationCode {
        hash: hash(row.get("code_hash")?)?,
        client: row.parse("client_id")?,
        redirect_uri: row.parse("redirect_uri")?,
        user: row.parse("user_name")?,
        scopes: row.parse("scopes")?,
        challenge: row.parse("challenge")?,
        nonce: row.get("nonce")?,
        session: row.get("session_id")?,
        signed_in_at: row.time("signed_in_at")?,
        expires_at: row.time("expires_at")?,
        used_at: row.time_optional("used_at")?,
    })
}

/// Redirect URIs hold no space, so that a space can stand between two.
pub(super) fn redirect_uris_column(uris: &[RedirectUri]) -> String {
    uris.iter().map(RedirectUri::as_str).collect::<Vec<_>>().join(" ")
}

fn redirect_uris(column: &str) -> Result<Vec<RedirectUri>, StoreError> {
    let uris: Result<_, _> =
        column.split(' ').filter(|uri| !uri.is_empty()).map(str::parse).collect();
    uris.map_err(|error| StoreError::unreadable("redirect_uris", error))
}

fn hash(bytes: &[u8]) -> Result<SecretHash, StoreError> {
    let bytes: Result<[u8; 32], _> = bytes.try_into();
    bytes.map(Into::into).map_err(|error| StoreError::unreadable("hash of a secret", error))
}
