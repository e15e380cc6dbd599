//! Who may sign in and what a sign-in gives: users, clients, sessions, authorization codes.
//!
//! Pure: no clock, no store, no wire types. A time is always an argument, and so is whatever is
//! random.

mod client;
mod code;
mod key;
mod name;
mod pkce;
mod scope;
mod secret;
mod session;

pub use client::{Client, MAX_REDIRECT_URI_BYTES, RedirectUri, RedirectUriError};
pub use code::{AuthorizationCode, CodeRefusal};
pub use key::StoredKey;
pub use name::{ClientId, MAX_NAME_CHARS, NameError, Username};
pub use pkce::{Challenge, ChallengeError};
pub use scope::{MAX_SCOPE_CHARS, MAX_SCOPES, OPENID, ScopeError, Scopes};
pub use secret::SecretHash;
pub use session::{RefreshRefusal, RefreshToken, Session, User};
