//! The catalogue: which items are for sale, at what price.
//!
//! Anyone may look items up, list and search them; importing, changing and deleting takes a service's
//! token with the scope `catalog:write`. Deliberately absent: stock, and prices that depend on who
//! asks.

pub mod api;
pub mod app;
pub mod config;
pub mod domain;
pub mod store;

use std::ops::ControlFlow;

use kit_database::metrics;
use kit_rpc::{
    auth::Authenticator,
    server::Server,
    service::{CommonArgs, RunError, Service},
};
use kit_service::Env;
use oxcart_proto::catalog::catalog_service_server::CatalogServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;

use self::{api::CatalogApi, app::Catalog, store::MIGRATIONS};

pub use config::Config;

/// A small store to begin with, in the format that an import takes. Its prices name no currency, and
/// are meant in pounds; one with less than two decimals refuses them.
pub const BUILT_IN_CATALOG: &str = include_str!("../data/builtin.csv");

/// Names the SQLite file and the PostgreSQL schema, unless the configuration does.
const DATABASE: &str = "catalog";

impl Service for Config {
    const NAME: &'static str = "catalog-svc";

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
        let catalog = Catalog::new(store::open(&database));
        if self.load_built_in {
            let loaded = catalog.import_if_empty(BUILT_IN_CATALOG, self.default_currency).await;
            loaded.map_err(RunError::cannot("load the built-in catalogue"))?;
        }
        let api = CatalogServiceServer::new(CatalogApi::new(catalog, self.default_currency))
            .accept_compressed(Gzip)
            .send_compressed(Gzip)
            .max_decoding_message_size(self.common.server.max_message_bytes);
        let served = Server::new(Self::NAME, &self.common.server, env.clone())
            .authenticator(Authenticator::new(&self.auth, env))
            .add_service(api)
            .ready_when(database.readiness())
            .serve(listener, shutdown)
            .await;
        database.close().await;
        Ok(served?)
    }
}
