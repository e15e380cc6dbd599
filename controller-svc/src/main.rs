//! Starts the controller.

use std::process::ExitCode;

fn main() -> ExitCode {
    kit_rpc::service::run::<controller_svc::Config>()
}
