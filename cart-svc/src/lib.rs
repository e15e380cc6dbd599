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

use std::{ops::ControlFlow, sync::Arc};

use kit_database::metrics;
use kit_rpc::{
    auth::Authenticator,
    server::Server,
    service::{CommonArgs, RunError, Service},
};
use kit_service::Env;
use oxcart_proto::cart::{
    cart_service_server::CartServiceServer, checkout_service_server::CheckoutServiceServer,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;

pub use config::Config;

use crate::{
    api::{CartApi, CheckoutApi},
    app::{Carts, Checkouts},
    store::{CartStore, MIGRATIONS},
};

/// Names the SQLite file and the PostgreSQL schema, unless the configuration does.
const DATABASE: &str = "cart";

impl Service for Config {
    const NAME: &'static str = "cart-svc";

    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn prepare(&self, shutdown: &CancellationToken) -> Result<ControlFlow<()>, RunError> {
        let prepared = self.database.prepare(DATABASE, &MIGRATIONS, shutdown).await;
        prepared.map_err(RunError::cannot("use the database"))
    }

    async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
        env: Env,
    ) -> Result<(), RunError> {
        app::metrics::show_alarms();
        let database = self.database.open(DATABASE, &MIGRATIONS).await;
        let database = database.map_err(RunError::cannot("use the database"))?;
        let _shown = metrics::watch(Self::NAME, &database);
        let store = store::open(&database, env.clone());
        let (carts, checkouts) = services(&self, store, &env);
        let served = Server::new(Self::NAME, &self.common.server, env.clone())
            .authenticator(Authenticator::new(&self.auth, env))
            .add_service(carts)
            .add_service(checkouts)
            .ready_when(database.readiness())
            .serve(listener, shutdown)
            .await;
        database.close().await;
        Ok(served?)
    }
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
    let max_bytes = config.common.server.max_message_bytes;
    (
        CartServiceServer::new(CartApi::new(carts))
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(max_bytes),
        CheckoutServiceServer::new(CheckoutApi::new(checkouts))
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(max_bytes),
    )
}
