//! Starts the identity provider.

use std::process::ExitCode;

fn main() -> ExitCode {
    kit_rpc::service::run::<idp_stub::Config>()
}
