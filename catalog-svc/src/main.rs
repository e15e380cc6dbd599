//! Starts the catalogue service.

use std::process::ExitCode;

fn main() -> ExitCode {
    kit_rpc::service::run::<catalog_svc::Config>()
}
