//! Starts the payment service.

use std::process::ExitCode;

use clap::Parser as _;
use kit_service::{Env, run};
use payment_stub::{Config, RunError};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let config = Config::parse();
    if config.check_health {
        return kit_rpc::server::check_health("payment-stub", config.listen);
    }
    let telemetry = config.telemetry.clone();
    run::run("payment-stub", &telemetry, |shutdown| start(config, shutdown))
}

async fn start(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    config.database.wait(&shutdown).await?;
    if config.migrate_only {
        payment_stub::migrate(&config).await?.close().await;
        return Ok(());
    }
    let listener = kit_service::listen::bind(config.listen).await?;
    payment_stub::serve(config, listener, shutdown, Env::system()).await
}
