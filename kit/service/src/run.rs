//! The life of a process: runtime, telemetry, signals, exit code.

use std::{
    error::Error,
    future::Future,
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    chain,
    telemetry::{self, TelemetryArgs},
    version,
};

/// How long tasks that were left behind may take to be dropped.
const TEARDOWN: Duration = Duration::from_secs(1);

/// Runs the process `name` until `serve` ends. SIGINT and SIGTERM cancel the token that it is given;
/// a second one ends the process at once. An error is printed with its causes, and exits with 1.
///
/// The first line of the log names the process, its version and the address that it is to `listen` on.
pub fn run<F, E>(
    name: &'static str,
    listen: Option<SocketAddr>,
    telemetry: &TelemetryArgs,
    serve: impl FnOnce(CancellationToken) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Error + 'static,
{
    let runtime = match runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(name, &error),
    };
    let ended = runtime.block_on(async {
        let telemetry = match telemetry::init(name, telemetry).await {
            Ok(guard) => guard,
            Err(error) => return failed(name, &error),
        };
        announce(name, listen, telemetry.metrics_address());
        let shutdown = CancellationToken::new();
        match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(interrupt), Ok(terminate)) => {
                tokio::spawn(watch(interrupt, terminate, shutdown.clone()));
            }
            (Err(error), _) | (_, Err(error)) => return failed(name, &error),
        }
        match serve(shutdown).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(name, &error),
        }
    });
    runtime.shutdown_timeout(TEARDOWN);
    ended
}

fn announce(name: &str, listen: Option<SocketAddr>, metrics: Option<SocketAddr>) {
    let version = version();
    if let Some(address) = listen {
        tracing::info!(service = name, version, %address, "{name} {version} starts on {address}");
    } else {
        tracing::info!(service = name, version, "{name} {version} starts");
    }
    if let Some(address) = metrics {
        tracing::info!(service = name, %address, "metrics are served on {address}");
    }
}

/// Runs `task` of the process `name` on this thread, without telemetry and signals. An error is printed
/// with its causes, and exits with 1.
pub fn run_task<E>(name: &str, task: impl Future<Output = Result<(), E>>) -> ExitCode
where
    E: Error + 'static,
{
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(name, &error),
    };
    match runtime.block_on(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(name, &error),
    }
}

async fn watch(mut interrupt: Signal, mut terminate: Signal, shutdown: CancellationToken) {
    either(&mut interrupt, &mut terminate).await;
    shutdown.cancel();
    either(&mut interrupt, &mut terminate).await;
    tracing::warn!("told twice to stop, so the drain is cut short");
    std::process::exit(130);
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Where standard error is closed there is nobody left to tell.
fn failed(name: &str, error: &(dyn Error + 'static)) -> ExitCode {
    writeln!(io::stderr(), "{name}: {}", chain(error)).ok();
    ExitCode::FAILURE
}
