//! Starts the cart service.

use std::process::ExitCode;

use cart_svc::{Config, RunError};
use clap::Parser as _;
use kit_service::{Env, run};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let config = Config::parse();
    if config.check_health {
        return kit_rpc::server::check_health("cart-svc", config.listen);
    }
    let telemetry = config.telemetry.clone();
    run::run("cart-svc", &telemetry, |shutdown| start(config, shutdown))
}

async fn start(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    config.database.wait(&shutdown).await?;
    if config.migrate_only {
        cart_svc::migrate(&config).await?.close().await;
        return Ok(());
    }
    let listener = kit_service::listen::bind(config.listen).await?;
    cart_svc::serve(config, listener, shutdown, Env::system()).await
}
