//! What a shop's client talks to: presents items and carts in one answer, and purchases carts by a
//! protocol that cannot lose money.
//!
//! Deliberately absent: a store. All that must survive is in the services behind, so any number of
//! controllers can run, and any of them can be killed at any time.

pub mod api;
pub mod app;
pub mod clients;
pub mod config;
pub mod domain;

use std::sync::Arc;

use kit_rpc::{
    auth::{Authenticator, ServiceIdentity},
    channel,
    server::Server,
    service::{CommonArgs, RunError, Service},
};
use kit_service::Env;
use oxcart_proto::controller::controller_service_server::ControllerServiceServer;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::Gzip;

pub use config::Config;

use crate::{
    api::Api,
    app::{App, Services, checkout::Driver, recovery::Recovery},
    clients::{GrpcCarts, GrpcCatalog, GrpcPayments},
};

impl Service for Config {
    const NAME: &'static str = "controller-svc";

    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
        env: Env,
    ) -> Result<(), RunError> {
        let services = services(&self, &env)?;
        serve_with(services, self, listener, shutdown, env).await
    }
}

/// Serves over the services that are given: what a test or a simulation puts in place of the
/// real ones.
///
/// # Errors
/// [`RunError`].
pub async fn serve_with(
    services: Services,
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
    env: Env,
) -> Result<(), RunError> {
    app::metrics::show_alarms();
    let app = App::new(&services, config.config(), &env);
    let driver = app.checkouts.driver().clone();
    let recovery = Recovery::new(services.carts, driver.clone(), config.recovery(), env.clone());
    let service = ControllerServiceServer::new(Api::new(app))
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(config.common.server.max_message_bytes);
    let server = Server::new(Config::NAME, &config.common.server, env.clone())
        .authenticator(Authenticator::new(&config.auth, env))
        .add_service(service);

    let stop = shutdown.child_token();
    let serving = async {
        // However the server ends, recovery ends with it.
        let _stop = stop.clone().drop_guard();
        server.serve(listener, shutdown.clone()).await
    };
    let noting = async {
        stop.cancelled().await;
        Instant::now()
    };
    // For calls and checkouts under way together.
    let limit = config.common.server.stop_limit();
    let recovering = async {
        let finishing = async {
            stop.cancelled().await;
            sleep(limit).await;
        };
        tokio::select! {
            () = recovery.run(stop.clone()) => {}
            () = finishing => tracing::warn!("the controller stops in the middle of recovery"),
        }
    };
    let (ended, began, ()) = tokio::join!(serving, noting, recovering);
    drain(&driver, began + limit).await;
    Ok(ended?)
}

/// Lets checkouts under way come to their end. Those that do not are recovered by another
/// controller, or by this one after its next start.
async fn drain(driver: &Driver, until: Instant) {
    if tokio::time::timeout_at(until, driver.drain()).await.is_err() {
        tracing::warn!("the controller stops with checkouts under way, recovery finishes them");
    }
}

fn services(config: &Config, env: &Env) -> Result<Services, RunError> {
    let connect = |flag, url: &str| {
        channel::connect(url).map_err(RunError::cannot(format!("use the setting --{flag}")))
    };
    let secret =
        config.client_secret().map_err(RunError::cannot("identify itself to the issuer"))?;
    let identity =
        ServiceIdentity::new(&config.auth.issuer, &config.client_id, secret, env.clone());
    let catalog = connect("catalog-url", &config.catalog_url)?;
    let carts = connect("cart-url", &config.cart_url)?;
    let payments = connect("payment-url", &config.payment_url)?;
    Ok(Services {
        catalog: Arc::new(GrpcCatalog::new(catalog, env.clone())),
        carts: Arc::new(GrpcCarts::new(carts, identity.clone(), env.clone())),
        payments: Arc::new(GrpcPayments::new(payments, identity)),
    })
}
