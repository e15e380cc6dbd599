//! The identity provider as a process of its own.

use std::process::ExitCode;

use clap::Parser as _;
use idp_stub::Config;

fn main() -> ExitCode {
    let config = Config::parse();
    if config.check_health {
        return kit_rpc::server::check_health("idp-stub", config.listen);
    }
    let telemetry = config.telemetry.clone();
    kit_service::run::run("idp-stub", &telemetry, |shutdown| idp_stub::run(config, shutdown))
}
