//! A stand-in for the identity provider.

use crate::auth::{AuthArgs, Authenticator};

/// Signs tokens and serves its keys on loopback over real HTTP, for as long as it lives.
pub struct TestIssuer {}

impl TestIssuer {
    /// Starts one on a free port.
    #[expect(clippy::unused_async, reason = "filled in soon")]
    pub async fn start() -> Self {
        todo!()
    }

    /// The arguments of a service that trusts it.
    #[must_use]
    pub fn args(&self) -> AuthArgs {
        todo!()
    }

    /// Verifies its tokens.
    #[must_use]
    pub fn authenticator(&self) -> Authenticator {
        todo!()
    }

    /// A good token of the user `name`, without `Bearer`.
    #[must_use]
    pub fn user_token(&self, _name: &str) -> String {
        todo!()
    }

    /// A good token of the service `client_id` with `scopes`.
    #[must_use]
    pub fn service_token(&self, _client_id: &str, _scopes: &[&str]) -> String {
        todo!()
    }

    /// A user's token that has expired.
    #[must_use]
    pub fn expired_token(&self, _name: &str) -> String {
        todo!()
    }

    /// A user's token for somebody else.
    #[must_use]
    pub fn wrong_audience(&self, _name: &str) -> String {
        todo!()
    }

    /// A user's token with `alg` none.
    #[must_use]
    pub fn unsigned(&self, _name: &str) -> String {
        todo!()
    }

    /// A user's token signed by a key that is not the issuer's, under the id of one that is.
    #[must_use]
    pub fn wrong_key(&self, _name: &str) -> String {
        todo!()
    }
}
