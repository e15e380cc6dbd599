//! The cart service: carts, and for each checkout the record from which any controller can finish it.
//!
//! The owner of a cart is the user of the verified token, never a field. A checkout ends as the
//! payment's record says; this service decides nothing about payments and knows no prices but the
//! snapshot of a checkout.

pub mod api;
pub mod app;
pub mod config;
pub mod domain;
pub mod store;

use std::sync::Arc;

use kit_database::{Database, OpenError, metrics};
use kit_rpc::{
    auth::Authenticator,
    server::{ServeError, Server},
};
use kit_service::{Env, listen::BindError};
use oxcart_proto::cart::{
    cart_service_server::CartServiceServer, checkout_service_server::CheckoutServiceServer,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::Config;

use crate::{
    api::{CartApi, CheckoutApi},
    app::{Carts, Checkouts},
    store::{CartStore, MIGRATIONS},
};

/// The name of the service, of its SQLite file and of its PostgreSQL schema.
const NAME: &str = "cart";

/// Why the service did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database cannot be used.
    #[error("the cart service has no database")]
    Database(#[from] OpenError),
    /// The address cannot be used.
    #[error("the cart service has no address")]
    Bind(#[from] BindError),
    /// The server failed.
    #[error("the cart service stopped")]
    Serve(#[from] ServeError),
}

/// Opens the database, brings its schema up to date, and returns it.
///
/// # Errors
/// [`RunError::Database`].
pub async fn migrate(config: &Config) -> Result<Database, RunError> {
    let database = config.database.open(NAME).await?;
    database.migrate(&MIGRATIONS).await?;
    Ok(database)
}

/// Serves on `listener` until `shutdown`, then finishes what is under way, within limits.
///
/// # Errors
/// [`RunError::Database`], [`RunError::Serve`].
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
    env: Env,
) -> Result<(), RunError> {
    app::metrics::show_alarms();
    let database = migrate(&config).await?;
    let _shown = metrics::watch(NAME, &database);
    let store = store::open(&database, env.clone());
    let (carts, checkouts) = services(&config, store, &env);
    let served = Server::new(NAME, &config.server, env.clone())
        .authenticator(Authenticator::new(&config.auth, env))
        .add_service(carts)
        .add_service(checkouts)
        .ready_when(database.readiness())
        .serve(listener, shutdown)
        .await;
    database.close().await;
    Ok(served?)
}

/// The services on a given store, for a server that is put together elsewhere.
#[must_use]
pub fn services(
    config: &Config,
    store: Arc<dyn CartStore>,
    env: &Env,
) -> (CartServiceServer<CartApi>, CheckoutServiceServer<CheckoutApi>) {
    let carts = Carts::new(Arc::clone(&store), config.limits(), env.clone());
    let checkouts = Checkouts::new(store, config.timing(), env.clone());
    let max_bytes = config.server.max_message_bytes;
    (
        CartServiceServer::new(CartApi::new(carts)).max_decoding_message_size(max_bytes),
        CheckoutServiceServer::new(CheckoutApi::new(checkouts))
            .max_decoding_message_size(max_bytes),
    )
}
