//! The ways to sign in at the store's own identity provider. A shop that has another gives
//! [`Session::from_source`] its tokens.

use std::time::Duration;

use oxcart_proto::idp::{
    ImpersonateUserRequest, IssueServiceTokenRequest, RefreshRequest, SignInRequest, UserTokens,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::{
    call::TIME_BUDGET,
    client::Client,
    error::{CallError, Error},
    session::{Grant, Granted, Session, Source, Token},
};

/// A client of the identity provider: a program, not a person.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// Its name.
    pub client_id: String,
    /// What proves it.
    pub client_secret: SecretString,
}

impl ClientCredentials {
    /// Of a name and its secret.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<SecretString>) -> Self {
        Self { client_id: client_id.into(), client_secret: client_secret.into() }
    }
}

/// Signs a user in by password, which is not kept.
pub(crate) async fn by_password(
    client: &Client,
    username: String,
    password: &SecretString,
) -> Result<Session, Error> {
    let method = "SignIn";
    let asked_at = Instant::now();
    let message = SignInRequest { username, password: password.expose_secret().to_owned() };
    let idp = client.idp(TIME_BUDGET).await?;
    // Repeated although each try begins a session: one that is not used does no harm.
    let answer =
        idp.repeat(method, message, |mut idp, request| async move { idp.sign_in(request).await });
    let grant = user_grant(method, answer.await?.tokens)?;
    Session::begun(Renewal(client.clone()), grant, asked_at)
}

/// Goes on with a session by its refresh token.
struct Renewal(Client);

impl Source for Renewal {
    fn fetch(&self, refresh_token: Option<SecretString>, time_budget: Duration) -> Granted {
        let client = self.0.clone();
        Box::pin(async move {
            let Some(refresh_token) = refresh_token else { return Ok(None) };
            let method = "Refresh";
            let message =
                RefreshRequest { refresh_token: refresh_token.expose_secret().to_owned() };
            let idp = client.idp(time_budget).await?;
            // Repeated although it works once: if it was used up and the answer lost, so is the
            // session, either way; if the call was not heard, this saves it.
            let answer = idp.repeat(method, message, |mut idp, request| async move {
                idp.refresh(request).await
            });
            user_grant(method, answer.await?.tokens).map(Some)
        })
    }
}

/// Any user, by the word of a trusted client.
pub(crate) struct Impersonation {
    client: Client,
    trusted: ClientCredentials,
    username: String,
}

impl Impersonation {
    pub(crate) const fn new(client: Client, trusted: ClientCredentials, username: String) -> Self {
        Self { client, trusted, username }
    }
}

impl Source for Impersonation {
    fn fetch(&self, _: Option<SecretString>, time_budget: Duration) -> Granted {
        let client = self.client.clone();
        let message = ImpersonateUserRequest {
            client_id: self.trusted.client_id.clone(),
            client_secret: self.trusted.client_secret.expose_secret().to_owned(),
            username: self.username.clone(),
        };
        Box::pin(async move {
            let method = "ImpersonateUser";
            let idp = client.idp(time_budget).await?;
            let answer = idp.repeat(method, message, |mut idp, request| async move {
                idp.impersonate_user(request).await
            });
            user_grant(method, answer.await?.tokens).map(Some)
        })
    }
}

/// A program's own identity.
pub(crate) struct ServiceIdentity {
    client: Client,
    credentials: ClientCredentials,
    /// Empty: all that it may have.
    scopes: Vec<String>,
}

impl ServiceIdentity {
    pub(crate) const fn new(
        client: Client,
        credentials: ClientCredentials,
        scopes: Vec<String>,
    ) -> Self {
        Self { client, credentials, scopes }
    }
}

impl Source for ServiceIdentity {
    fn fetch(&self, _: Option<SecretString>, time_budget: Duration) -> Granted {
        let client = self.client.clone();
        let message = IssueServiceTokenRequest {
            client_id: self.credentials.client_id.clone(),
            client_secret: self.credentials.client_secret.expose_secret().to_owned(),
            scopes: self.scopes.clone(),
        };
        Box::pin(async move {
            let method = "IssueServiceToken";
            let idp = client.idp(time_budget).await?;
            let answer = idp.repeat(method, message, |mut idp, request| async move {
                idp.issue_service_token(request).await
            });
            let answer = answer.await?;
            Ok(Some(grant(answer.access_token, answer.expires_in, String::new())))
        })
    }
}

fn user_grant(method: &'static str, tokens: Option<UserTokens>) -> Result<Grant, Error> {
    let tokens = tokens.ok_or_else(|| CallError::incomplete(method, "tokens"))?;
    Ok(grant(tokens.access_token, tokens.expires_in, tokens.refresh_token))
}

/// An identity provider that does not tell a token's life has it used until it is refused.
fn grant(secret: String, life: Option<prost_types::Duration>, refresh_token: String) -> Grant {
    let life = life.and_then(|life| life.try_into().ok());
    let token = Token::new(secret);
    Grant {
        token: life.into_iter().fold(token, Token::valid_for),
        refresh_token: (!refresh_token.is_empty()).then(|| refresh_token.into()),
    }
}
