//! Starts the cart service.

use std::process::ExitCode;

fn main() -> ExitCode {
    kit_rpc::service::run::<cart_svc::Config>()
}
