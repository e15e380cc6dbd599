//! Who makes a call, as its tokens prove it.

use std::{collections::HashSet, fmt, sync::Arc};

use oxcart_proto::{Reason, Refusal};
use oxcart_types::UserId;
use tonic::{
    Status,
    metadata::{Ascii, MetadataValue},
};

/// Where a caller gets tokens: told to whoever has none, or a bad one.
#[derive(Default)]
pub(super) struct SignIn {
    pub(super) issuer: String,
    pub(super) address: String,
}

impl SignIn {
    pub(super) fn refuse(&self, reason: Reason, message: impl Into<String>) -> Status {
        Refusal::new(reason, message)
            .with("issuer", &self.issuer)
            .with("sign_in", &self.address)
            .into()
    }
}

pub(super) struct User {
    pub(super) id: UserId,
    pub(super) bearer: MetadataValue<Ascii>,
}

pub(super) struct Service {
    pub(super) id: String,
    pub(super) scopes: HashSet<String>,
    pub(super) bearer: MetadataValue<Ascii>,
}

/// Who made a call: a user, a service, a service on behalf of a user, or nobody. A clone is cheap.
#[derive(Clone, Default)]
pub struct Caller {
    user: Option<Arc<User>>,
    service: Option<Arc<Service>>,
    sign_in: Arc<SignIn>,
}

impl Caller {
    pub(super) fn new(user: Option<User>, service: Option<Service>, sign_in: Arc<SignIn>) -> Self {
        Self { user: user.map(Arc::new), service: service.map(Arc::new), sign_in }
    }

    /// The caller of `request`. Nobody, if the server verifies no tokens.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// The user.
    ///
    /// # Errors
    /// UNAUTHENTICATED (`SIGN_IN_REQUIRED`) if the call carries no user's token.
    pub fn user(&self) -> Result<UserId, Status> {
        let user = self.user.as_ref().map(|user| user.id.clone());
        user.ok_or_else(|| {
            let message = format!("sign in at {} first", self.sign_in.address);
            self.sign_in.refuse(Reason::SignInRequired, message)
        })
    }

    /// Goes on only if a service with `scope` makes the call.
    ///
    /// # Errors
    /// UNAUTHENTICATED (`SIGN_IN_REQUIRED`) if the call carries no service's token,
    /// PERMISSION_DENIED (`SCOPE_MISSING`) if that lacks `scope`.
    pub fn service(&self, scope: &str) -> Result<(), Status> {
        let Some(service) = &self.service else {
            let message = "the call needs the token of a service";
            return Err(self.sign_in.refuse(Reason::SignInRequired, message));
        };
        if service.scopes.contains(scope) {
            return Ok(());
        }
        let message = format!("the token lacks the scope {scope}");
        Err(Refusal::new(Reason::ScopeMissing, message).with("scope", scope).into())
    }

    /// The client id of the service, for logs; None if no service makes the call.
    #[must_use]
    pub fn service_id(&self) -> Option<&str> {
        self.service.as_ref().map(|service| service.id.as_str())
    }

    /// The user's token, to pass it on as `authorization`. Marked sensitive.
    #[must_use]
    pub fn user_bearer(&self) -> Option<MetadataValue<Ascii>> {
        self.user.as_ref().map(|user| user.bearer.clone())
    }

    /// The service's token, to pass it on as `service-authorization`. Marked sensitive.
    #[must_use]
    pub fn service_bearer(&self) -> Option<MetadataValue<Ascii>> {
        self.service.as_ref().map(|service| service.bearer.clone())
    }
}

impl fmt::Debug for Caller {
    /// Who, and never by which token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("user", &self.user.as_ref().map(|user| &user.id))
            .field("service", &self.service_id())
            .finish_non_exhaustive()
    }
}
