//! The identity provider's RPCs: who calls, what is asked, the answer. Its HTTP side is `http`.
//!
//! No RPC needs a token: each one asks for the caller's own proof.

mod http;
mod request;
mod response;
mod status;

use std::sync::Arc;

use oxcart_proto::idp::{self as pb, idp_service_server::IdpService};
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};

use crate::app::Idp;

pub use http::{MAX_BODY_BYTES, TIMEOUT, serve as serve_http};

/// Answers the RPCs of `oxcart.idp.v1.IdpService`.
pub struct IdpApi {
    idp: Arc<Idp>,
}

impl IdpApi {
    /// Answers from these use cases.
    #[must_use]
    pub const fn new(idp: Arc<Idp>) -> Self {
        Self { idp }
    }
}

#[tonic::async_trait]
impl IdpService for IdpApi {
    async fn sign_in(
        &self,
        request: Request<pb::SignInRequest>,
    ) -> Result<Response<pb::SignInResponse>, Status> {
        let (username, password) = request::sign_in(request.into_inner())?;
        let tokens = self.idp.sign_in(username, password).await?;
        Ok(Response::new(pb::SignInResponse { tokens: Some(response::user_tokens(&tokens)) }))
    }

    async fn refresh(
        &self,
        request: Request<pb::RefreshRequest>,
    ) -> Result<Response<pb::RefreshResponse>, Status> {
        let token = request::refresh(request.into_inner())?;
        let tokens = self.idp.refresh(token.expose_secret(), None).await?;
        Ok(Response::new(pb::RefreshResponse { tokens: Some(response::user_tokens(&tokens)) }))
    }

    async fn issue_service_token(
        &self,
        request: Request<pb::IssueServiceTokenRequest>,
    ) -> Result<Response<pb::IssueServiceTokenResponse>, Status> {
        let (credentials, scopes) = request::issue_service_token(request.into_inner())?;
        let client = self.idp.client(&credentials.client, Some(&credentials.secret)).await?;
        let token = self.idp.service_token(&client, &scopes)?;
        Ok(Response::new(response::service_token(&token)))
    }

    async fn impersonate_user(
        &self,
        request: Request<pb::ImpersonateUserRequest>,
    ) -> Result<Response<pb::ImpersonateUserResponse>, Status> {
        let (credentials, username) = request::impersonate_user(request.into_inner())?;
        let client = self.idp.client(&credentials.client, Some(&credentials.secret)).await?;
        let tokens = self.idp.impersonate(&client, username).await?;
        let tokens = Some(response::user_tokens(&tokens));
        Ok(Response::new(pb::ImpersonateUserResponse { tokens }))
    }

    async fn get_jwks(
        &self,
        _request: Request<pb::GetJwksRequest>,
    ) -> Result<Response<pb::GetJwksResponse>, Status> {
        Ok(Response::new(pb::GetJwksResponse { jwks_json: self.idp.jwks().to_owned() }))
    }
}
