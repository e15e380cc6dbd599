//! The catalogue service as a process of its own.

use std::process::ExitCode;

use catalog_svc::config::Config;
use clap::Parser as _;
use kit_service::Env;

fn main() -> ExitCode {
    let config = Config::parse();
    if config.check_health {
        return kit_rpc::server::check_health("catalog-svc", config.listen);
    }
    let telemetry = config.telemetry.clone();
    kit_service::run::run("catalog-svc", &telemetry, |shutdown| {
        catalog_svc::run(config, shutdown, Env::system())
    })
}
