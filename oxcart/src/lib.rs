//! The whole store in one process: for a first look, for one machine, and as the harness of the
//! tests across services.
//!
//! The only crate beside those tests that knows several services. Deliberately absent: shop logic;
//! whatever happens here happens through the services' own gRPC.

pub mod config;
pub mod demo;
pub mod import;
pub mod store;
mod table;
pub mod up;

use std::io::Write;

use service_kit::Sources;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

pub use config::{Command, Config};
use config::{DemoArgs, ImportArgs, UpArgs};
pub use store::{Databases, Service, Settings, StartError, Store};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not start, or a service of it ended.
    #[error(transparent)]
    Store(#[from] StartError),
    /// The demo could not go on.
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    /// The catalogue was not loaded.
    #[error(transparent)]
    Import(#[from] import::ImportError),
    /// The output is closed.
    #[error("the output cannot be written")]
    Output(#[from] std::io::Error),
}

/// Does what `command` says, writing to `out`, until it is done or `shutdown` is cancelled.
///
/// # Errors
/// [`Error`].
pub async fn run(
    command: Command,
    shutdown: CancellationToken,
    out: &mut impl Write,
) -> Result<(), Error> {
    let sources = Sources::system();
    match command {
        Command::Demo(args) => demo(args, shutdown, sources, out).await,
        Command::Up(args) => keep_up(args, shutdown, sources, out).await,
        Command::Import(args) => import(args, sources, out).await,
    }
}

async fn demo(
    args: DemoArgs,
    shutdown: CancellationToken,
    sources: Sources,
    out: &mut impl Write,
) -> Result<(), Error> {
    let store = Store::start(args.data.settings(), sources.clone()).await?;
    let visited = tokio::select! {
        visited = visit(&args, &store, sources, out) => visited,
        () = shutdown.cancelled() => Ok(()),
    };
    let stopped = store.shutdown().await;
    visited?;
    Ok(stopped?)
}

async fn visit(
    args: &DemoArgs,
    store: &Store,
    sources: Sources,
    out: &mut impl Write,
) -> Result<(), Error> {
    let url = store.url(Service::Controller);
    let shopper = args.credentials().sign_in(&url).await?;
    let choices = match args.seed {
        Some(seed) => Sources::seeded(seed, OffsetDateTime::UNIX_EPOCH),
        None => sources,
    };
    let visit = demo::Visit { user: &args.user, purchase: args.purchase, choices };
    visit.play(&shopper, out).await?;
    Ok(())
}

async fn keep_up(
    args: UpArgs,
    shutdown: CancellationToken,
    sources: Sources,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut store = Store::start(args.settings(), sources).await?;
    up::welcome(out, &store)?;
    tokio::select! {
        () = shutdown.cancelled() => Ok(store.shutdown().await?),
        failure = store.failure() => {
            // The first failure is the one to report, whatever the others say when they stop.
            let _ = store.shutdown().await;
            Err(failure.into())
        }
    }
}

async fn import(args: ImportArgs, sources: Sources, out: &mut impl Write) -> Result<(), Error> {
    let import = import::Import {
        controller_url: &args.controller,
        client_id: &args.client_id,
        client_secret: args.client_secret,
        default_currency: args.default_currency.as_deref().unwrap_or_default(),
    };
    import.file(&args.file, sources, out).await?;
    Ok(())
}
