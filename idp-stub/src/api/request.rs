//! Requests: what they ask for, or every bad field at once.

use oxcart_proto::{BadFields, idp as pb};
use secrecy::SecretString;
use tonic::Status;

use crate::{
    app::{MAX_CODE_CHARS, MAX_SECRET_BYTES},
    domain::{ClientId, Scopes, Username},
};

/// How a client proves itself.
pub(super) struct Credentials {
    pub(super) client: ClientId,
    pub(super) secret: SecretString,
}

pub(super) fn sign_in(request: pb::SignInRequest) -> Result<(Username, SecretString), Status> {
    let mut bad = BadFields::default();
    let username = bad.take("username", request.username.parse());
    let password = read_secret("password", request.password, MAX_SECRET_BYTES, &mut bad);
    bad.finish(username.zip(password))
}

pub(super) fn refresh(request: pb::RefreshRequest) -> Result<SecretString, Status> {
    let mut bad = BadFields::default();
    let token = read_secret("refresh_token", request.refresh_token, MAX_CODE_CHARS, &mut bad);
    bad.finish(token)
}

pub(super) fn issue_service_token(
    request: pb::IssueServiceTokenRequest,
) -> Result<(Credentials, Scopes), Status> {
    let mut bad = BadFields::default();
    let credentials = read_credentials(&request.client_id, request.client_secret, &mut bad);
    let scopes = Scopes::from_names(request.scopes.iter().map(String::as_str));
    let scopes = bad.take("scopes", scopes);
    bad.finish(credentials.zip(scopes))
}

pub(super) fn impersonate_user(
    request: pb::ImpersonateUserRequest,
) -> Result<(Credentials, Username), Status> {
    let mut bad = BadFields::default();
    let credentials = read_credentials(&request.client_id, request.client_secret, &mut bad);
    let username = bad.take("username", request.username.parse());
    bad.finish(credentials.zip(username))
}

fn read_credentials(id: &str, secret: String, bad: &mut BadFields) -> Option<Credentials> {
    let client = bad.take("client_id", id.parse());
    let secret = read_secret("client_secret", secret, MAX_SECRET_BYTES, bad);
    client.zip(secret).map(|(client, secret)| Credentials { client, secret })
}

/// Reads what must have 1 to `max_bytes` bytes, and is neither logged nor repeated in an error.
fn read_secret(
    field: &'static str,
    text: String,
    max_bytes: usize,
    bad: &mut BadFields,
) -> Option<SecretString> {
    if !(1..=max_bytes).contains(&text.len()) {
        bad.push(field, format!("must be 1 to {max_bytes} bytes"));
        return None;
    }
    Some(text.into())
}
