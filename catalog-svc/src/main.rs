//! The catalogue service as a process of its own.

use std::process::ExitCode;

use catalog_svc::config::Config;
use clap::Parser as _;
use service_kit::Env;

fn main() -> ExitCode {
    let config = Config::parse();
    if config.check_health {
        return service_kit::run::check_health("catalog-svc", config.listen);
    }
    let telemetry = config.telemetry.clone();
    service_kit::run::run("catalog-svc", &telemetry, |shutdown| {
        catalog_svc::run(config, shutdown, Env::system())
    })
}
