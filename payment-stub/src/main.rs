//! Starts the payment service.

use std::process::ExitCode;

fn main() -> ExitCode {
    kit_rpc::service::run::<payment_stub::Config>()
}
