//! Starts the controller.

use std::process::ExitCode;

use clap::Parser as _;
use controller_svc::{Config, RunError};
use kit_service::{Env, run};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let config = Config::parse();
    if config.check_health {
        return kit_rpc::server::check_health("controller-svc", config.listen);
    }
    let telemetry = config.telemetry.clone();
    run::run("controller-svc", &telemetry, |shutdown| start(config, shutdown))
}

async fn start(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    let listener = kit_service::listen::bind(config.listen).await?;
    controller_svc::serve(config, listener, shutdown, Env::system()).await
}
