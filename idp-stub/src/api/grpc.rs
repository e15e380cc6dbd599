//! The contract's RPCs.

use std::{sync::Arc, time::Duration};

use kit_rpc::error::{failed, internal, unavailable};
use oxcart_proto::{
    BadFields, Reason, Refusal,
    idp::{
        GetJwksRequest, GetJwksResponse, ImpersonateUserRequest, ImpersonateUserResponse,
        IssueServiceTokenRequest, IssueServiceTokenResponse, RefreshRequest, RefreshResponse,
        SignInRequest, SignInResponse, UserTokens as UserTokensMessage,
        idp_service_server::{IdpService, IdpServiceServer},
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{Request, Response, Status};

use crate::{
    app::{Idp, IdpError, MAX_CODE_CHARS, MAX_SECRET_BYTES, StoreError, UserTokens},
    domain::{ClientId, Scopes, Username},
};

/// Answers the contract's RPCs.
pub struct IdpRpc {
    idp: Arc<Idp>,
}

impl IdpRpc {
    /// The service for a server, answered by `idp`.
    #[must_use]
    pub fn service(idp: Arc<Idp>) -> IdpServiceServer<Self> {
        IdpServiceServer::new(Self { idp })
    }
}

struct SignIn {
    username: Username,
    password: SecretString,
}

struct Credentials {
    client: ClientId,
    secret: SecretString,
}

#[tonic::async_trait]
impl IdpService for IdpRpc {
    async fn sign_in(
        &self,
        request: Request<SignInRequest>,
    ) -> Result<Response<SignInResponse>, Status> {
        let SignIn { username, password } = request.into_inner().try_into()?;
        let tokens = self.idp.sign_in(username, password).await?;
        Ok(Response::new(SignInResponse { tokens: Some(tokens.into()) }))
    }

    async fn refresh(
        &self,
        request: Request<RefreshRequest>,
    ) -> Result<Response<RefreshResponse>, Status> {
        let token = SecretString::from(request.into_inner().refresh_token);
        let mut bad = BadFields::default();
        let length = token.expose_secret().len();
        check_length("refresh_token", length, MAX_CODE_CHARS, &mut bad);
        bad.check()?;
        let tokens = self.idp.refresh(token.expose_secret(), None).await?;
        Ok(Response::new(RefreshResponse { tokens: Some(tokens.into()) }))
    }

    async fn issue_service_token(
        &self,
        request: Request<IssueServiceTokenRequest>,
    ) -> Result<Response<IssueServiceTokenResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadFields::default();
        let credentials = credentials(&request.client_id, request.client_secret, &mut bad);
        let scopes = Scopes::from_names(request.scopes.iter().map(String::as_str));
        let scopes = bad.take("scopes", scopes);
        let (Some(credentials), Some(scopes)) = (credentials, scopes) else {
            return Err(bad.into_status());
        };
        let client = self.idp.client(&credentials.client, Some(&credentials.secret)).await?;
        let token = self.idp.service_token(&client, &scopes)?;
        Ok(Response::new(IssueServiceTokenResponse {
            access_token: token.access_token.expose_secret().to_owned(),
            expires_in: to_wire(token.expires_in),
        }))
    }

    async fn impersonate_user(
        &self,
        request: Request<ImpersonateUserRequest>,
    ) -> Result<Response<ImpersonateUserResponse>, Status> {
        let request = request.into_inner();
        let mut bad = BadFields::default();
        let credentials = credentials(&request.client_id, request.client_secret, &mut bad);
        let username = bad.take("username", request.username.parse());
        let (Some(credentials), Some(username)) = (credentials, username) else {
            return Err(bad.into_status());
        };
        let client = self.idp.client(&credentials.client, Some(&credentials.secret)).await?;
        let tokens = self.idp.impersonate(&client, username).await?;
        Ok(Response::new(ImpersonateUserResponse { tokens: Some(tokens.into()) }))
    }

    async fn get_jwks(
        &self,
        _request: Request<GetJwksRequest>,
    ) -> Result<Response<GetJwksResponse>, Status> {
        Ok(Response::new(GetJwksResponse { jwks_json: self.idp.jwks().to_owned() }))
    }
}

impl TryFrom<SignInRequest> for SignIn {
    type Error = Status;

    fn try_from(request: SignInRequest) -> Result<Self, Status> {
        let mut bad = BadFields::default();
        let username = bad.take("username", request.username.parse());
        check_length("password", request.password.len(), MAX_SECRET_BYTES, &mut bad);
        match username.filter(|_| bad.is_empty()) {
            Some(username) => Ok(Self { username, password: request.password.into() }),
            None => Err(bad.into_status()),
        }
    }
}

fn credentials(id: &str, secret: String, bad: &mut BadFields) -> Option<Credentials> {
    let client = bad.take("client_id", id.parse());
    let is_fit = check_length("client_secret", secret.len(), MAX_SECRET_BYTES, bad);
    client.filter(|_| is_fit).map(|client| Credentials { client, secret: secret.into() })
}

fn check_length(field: &'static str, bytes: usize, limit: usize, bad: &mut BadFields) -> bool {
    let is_fit = (1..=limit).contains(&bytes);
    if !is_fit {
        bad.push(field, format!("must be 1 to {limit} bytes"));
    }
    is_fit
}

fn to_wire(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

impl From<UserTokens> for UserTokensMessage {
    fn from(tokens: UserTokens) -> Self {
        let refresh_token = tokens.refresh_token.as_ref();
        Self {
            access_token: tokens.access_token.expose_secret().to_owned(),
            expires_in: to_wire(tokens.expires_in),
            refresh_token: refresh_token.map_or_else(String::new, |t| t.expose_secret().to_owned()),
        }
    }
}

impl From<IdpError> for Status {
    fn from(error: IdpError) -> Self {
        let text = error.to_string();
        match error {
            // Who has no secret cannot have proved anything by one.
            IdpError::CredentialsWrong | IdpError::PublicClient => {
                Refusal::new(Reason::CredentialsWrong, text).into()
            }
            IdpError::Throttled { retry_after } => {
                Refusal::new(Reason::Overloaded, text).retry_after(retry_after).into()
            }
            IdpError::Busy => {
                Refusal::new(Reason::Overloaded, text).retry_after(Duration::from_secs(1)).into()
            }
            IdpError::ScopeRefused { scope } => {
                Refusal::new(Reason::ScopeMissing, text).with("scope", scope).into()
            }
            IdpError::ImpersonationRefused => {
                Refusal::new(Reason::ScopeMissing, text).with("scope", "may_impersonate").into()
            }
            IdpError::RefreshTokenInvalid => Refusal::new(Reason::RefreshTokenInvalid, text).into(),
            IdpError::TokenInvalid(_) | IdpError::CodeInvalid => {
                Refusal::new(Reason::TokenInvalid, text).into()
            }
            IdpError::NotOpenid => {
                Refusal::new(Reason::ScopeMissing, text).with("scope", "openid").into()
            }
            IdpError::Store(StoreError::Database(failure)) => {
                failed("the identity store failed", &failure, failure.is_unavailable())
            }
            IdpError::Store(error @ StoreError::Conflict) => {
                unavailable("the identity store failed", &error)
            }
            IdpError::Store(error) => internal("the identity store failed", &error),
            IdpError::Key(error) => internal("the signing key failed", &error),
            error @ IdpError::Hashing => internal("the password could not be verified", &error),
        }
    }
}
