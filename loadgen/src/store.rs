//! The store that is driven, and its users.
//!
//! Nothing but the controller's address is needed: asked without a token, it says where to get one.
//! Its users need no passwords: a trusted client gets their tokens.

use std::time::Duration;

use oxcart_client::{Admin, Builder, Client, ClientCredentials, Error, InvalidUrl, Shopper};
use oxcart_types::UserId;

use crate::config::StoreArgs;

/// How long the very first call is tried: enough for a store that is just starting.
const FIRST_CALL_BUDGET: Duration = Duration::from_secs(10);

/// The scope that an import needs.
const IMPORT_SCOPE: &str = "catalog:write";

/// Why the store cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is no URL of a server.
    #[error("{what} {source}")]
    NotUrl {
        /// Which setting or answer holds it.
        what: &'static str,
        /// What it holds.
        source: InvalidUrl,
    },
    /// The store does not answer at all.
    #[error("the store at {url} does not answer as a controller does")]
    NoAnswer {
        /// Where.
        url: String,
        /// The failed call.
        source: Error,
    },
    /// The store let a stranger in, or does not say where to sign in.
    #[error("the store at {url} does not say where to sign in; --sign-in may name it")]
    NoSignIn {
        /// Where.
        url: String,
    },
}

/// Connections to the store, and the client that signs users in.
pub struct Store {
    clients: Vec<Client>,
    trusted: ClientCredentials,
}

impl Store {
    /// Asks the controller where to sign in.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn find(args: &StoreArgs) -> Result<Self, StartError> {
        let at =
            || Client::builder(&args.controller).deadline(Duration::from_secs(args.call_seconds));
        let sign_in = match &args.sign_in {
            Some(url) => url.clone(),
            None => ask_for_sign_in(&args.controller, at()).await?,
        };
        build("the address to sign in", Client::builder(&sign_in))?;
        let connect = |_| build("--controller", at().sign_in_at(&sign_in));
        let clients = (0..args.connections).map(connect).collect::<Result<_, _>>()?;
        let trusted = ClientCredentials::new(&args.client_id, args.client_secret.clone());
        Ok(Self { clients, trusted })
    }

    /// A connection. Users are spread over the connections by their `index`.
    pub fn client(&self, index: usize) -> &Client {
        &self.clients[index % self.clients.len()]
    }

    /// A user, on the connection that goes with `index`.
    pub fn shopper(&self, user: &UserId, index: usize) -> Shopper {
        self.client(index).impersonate(self.trusted.clone(), user.as_str())
    }

    /// The trusted client itself, to import a catalogue.
    pub fn admin(&self) -> Admin {
        self.clients[0].service(self.trusted.clone(), &[IMPORT_SCOPE])
    }
}

async fn ask_for_sign_in(url: &str, builder: Builder) -> Result<String, StartError> {
    let client = build("--controller", builder.time_budget(FIRST_CALL_BUDGET))?;
    let no_sign_in = || StartError::NoSignIn { url: url.to_owned() };
    match client.identity_provider().await {
        Ok(told) if told.sign_in.is_empty() => Err(no_sign_in()),
        Ok(told) => Ok(told.sign_in.clone()),
        Err(Error::NoSignIn { .. }) => Err(no_sign_in()),
        Err(source) => Err(StartError::NoAnswer { url: url.to_owned(), source }),
    }
}

fn build(what: &'static str, builder: Builder) -> Result<Client, StartError> {
    builder.build().map_err(|source| StartError::NotUrl { what, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_url_is_refused_by_name() {
        let connect = |url| build("--controller", Client::builder(url));
        for url in ["", "localhost:8080", "ftp://localhost", "http://", "https://a b"] {
            let error = connect(url).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--controller {url} must be")), "{error}");
        }
        assert!(connect("http://127.0.0.1:8080").is_ok());
        assert!(connect("https://shop.example:443").is_ok());
    }
}
