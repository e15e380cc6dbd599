//! The payment service: a stand-in for a payment processor that keeps the contract for real.
//!
//! One final outcome per idempotency key, written once; card numbers exchanged for tokens at once. The cards
//! and tokens that decide the outcome, and the trouble that can be ordered, are in
//! [`domain::scenario`]. Deliberately absent: money, and any notion of carts, users and checkouts.

pub mod acquirer;
pub mod api;
pub mod app;
pub mod config;
pub mod domain;
pub mod store;

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use kit_database::metrics;
use kit_rpc::{
    auth::Authenticator,
    server::Server,
    service::{CommonArgs, RunError, Service},
};
use kit_service::Env;
use oxcart_proto::payment::payment_service_server::PaymentServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;

pub use config::Config;

use crate::{
    acquirer::SimulatedAcquirer,
    api::PaymentApi,
    app::{Payments, Settler},
    store::{MIGRATIONS, Stores},
};

/// Names the SQLite file and the PostgreSQL schema, unless the configuration does.
const DATABASE: &str = "payment";

/// How long payments that are being decided may take to finish their current step at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

impl Service for Config {
    const NAME: &'static str = "payment-stub";

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
        let database = self.database.open(DATABASE, &MIGRATIONS).await;
        let database = database.map_err(RunError::cannot("use the database"))?;
        let _shown = metrics::watch(Self::NAME, &database);
        let stores = Stores::open(&database);
        let acquirer =
            Arc::new(SimulatedAcquirer::new(stores.acquirer, self.delays(), env.clone()));
        let store = stores.payments;
        let settler = Settler::new(store.clone(), acquirer.clone(), env.clone());
        let _stop = settler.stop_on_drop();
        let payments = Payments::new(store.clone(), acquirer, settler.clone(), env.clone());
        let api = PaymentApi::new(Arc::new(payments), self.charge_wait(), env.clone());
        let service = PaymentServiceServer::new(api)
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(self.common.server.max_message_bytes);

        let server = Server::new(Self::NAME, &self.common.server, env.clone())
            .authenticator(Authenticator::new(&self.auth, env))
            .add_service(service)
            .ready_when(database.readiness());
        // Callers in the server's drain still wait for outcomes, so the rest stops after it.
        let stop_sweep = CancellationToken::new();
        let sweep = app::sweep_until(stop_sweep.clone(), self.sweep_interval(), &*store, &settler);
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
}
