//! The life of a process.

use std::{error::Error, future::Future, process::ExitCode};

use tokio_util::sync::CancellationToken;

use crate::telemetry::TelemetryArgs;

/// Runs a service until it ends or SIGINT or SIGTERM comes; the token is cancelled then.
pub fn run<F, E>(
    _name: &'static str,
    _telemetry: &TelemetryArgs,
    _serve: impl FnOnce(CancellationToken) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Error + 'static,
{
    todo!()
}
