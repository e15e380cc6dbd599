//! The payment service: a stand-in for a payment processor that keeps the contract for real.
//!
//! One outcome per key, written once, for ever; card numbers exchanged for tokens at once. The cards
//! and tokens that decide the outcome, and the trouble that can be ordered, are in
//! [`domain::scenario`]. Deliberately absent: money, and any notion of carts, users and checkouts.

pub mod acquirer;
pub mod api;
pub mod app;
pub mod config;
pub mod domain;
pub mod store;

use std::{sync::Arc, time::Duration};

use kit_database::{Database, OpenError, metrics};
use kit_rpc::{
    auth::Authenticator,
    server::{ServeError, Server},
};
use kit_service::{Env, listen::BindError};
use oxcart_proto::payment::payment_service_server::PaymentServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::Config;

use crate::{
    acquirer::SimulatedAcquirer,
    api::PaymentApi,
    app::{Payments, Settler},
    store::{MIGRATIONS, Stores},
};

/// The name of the service, of its SQLite file and of its PostgreSQL schema.
const NAME: &str = "payment";

/// How long payments that are being decided may take to finish their current step at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the service did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database cannot be used.
    #[error("the payment service has no database")]
    Database(#[from] OpenError),
    /// The address cannot be used.
    #[error("the payment service has no address")]
    Bind(#[from] BindError),
    /// The server failed.
    #[error("the payment service stopped")]
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
    let database = migrate(&config).await?;
    let _shown = metrics::watch(NAME, &database);
    let stores = Stores::open(&database);
    let acquirer = Arc::new(SimulatedAcquirer::new(stores.acquirer, config.delays(), env.clone()));
    let store = stores.payments;
    let settler = Settler::new(store.clone(), acquirer.clone(), env.clone());
    let _stop = settler.stop_on_drop();
    let payments = Payments::new(store.clone(), acquirer, settler.clone(), env.clone());
    let api = PaymentApi::new(Arc::new(payments), config.charge_wait(), env.clone());
    let service =
        PaymentServiceServer::new(api).max_decoding_message_size(config.server.max_message_bytes);

    let server = Server::new(NAME, &config.server, env.clone())
        .authenticator(Authenticator::new(&config.auth, env))
        .add_service(service)
        .ready_when(database.readiness());
    // Callers in the server's drain still wait for outcomes, so the rest stops after it.
    let stop_sweep = CancellationToken::new();
    let sweep = app::sweep_until(stop_sweep.clone(), config.sweep_interval(), &*store, &settler);
    let serve = async {
        let ended = server.serve(listener, shutdown).await;
        stop_sweep.cancel();
        ended
    };
    let (ended, ()) = tokio::join!(serve, sweep);
    settler.drain(DRAIN).await;
    database.close().await;
    Ok(ended?)
}
