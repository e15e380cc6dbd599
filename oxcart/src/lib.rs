//! The whole store in one process: for a first look, for one machine, and as the harness of the
//! tests across services.
//!
//! The only crate beside those tests that knows several services. It has no shop
//! logic: all goes through the services' own gRPC.

pub mod config;
pub mod demo;
pub mod import;
pub mod store;
mod table;
pub mod up;

use std::io::Write;

use kit_service::Env;
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
    let env = Env::system();
    match command {
        Command::Demo(args) => demo(args, shutdown, env, out).await,
        Command::Up(args) => keep_up(args, shutdown, env, out).await,
        Command::Import(args) => import(args, env, out).await,
    }
}

async fn demo(
    args: DemoArgs,
    shutdown: CancellationToken,
    env: Env,
    out: &mut impl Write,
) -> Result<(), Error> {
    let store = Store::start(args.data.settings(), env.clone()).await?;
    let visited = tokio::select! {
        visited = visit(&args, &store, env, out) => visited,
        () = shutdown.cancelled() => Ok(()),
    };
    let stopped = store.shutdown().await;
    visited?;
    Ok(stopped?)
}

async fn visit(
    args: &DemoArgs,
    store: &Store,
    env: Env,
    out: &mut impl Write,
) -> Result<(), Error> {
    let url = store.url(Service::Controller);
    let shopper = args.credentials().sign_in(&url).await?;
    let choices = match args.seed {
        Some(seed) => Env::seeded(seed, OffsetDateTime::UNIX_EPOCH),
        None => env,
    };
    let visit = demo::Visit { user: &args.user, purchase: args.purchase, choices };
    visit.play(&shopper, out).await?;
    Ok(())
}

async fn keep_up(
    args: UpArgs,
    shutdown: CancellationToken,
    env: Env,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut store = Store::start(args.settings(), env).await?;
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

async fn import(args: ImportArgs, env: Env, out: &mut impl Write) -> Result<(), Error> {
    let import = import::Import {
        controller_url: &args.controller,
        client_id: &args.client_id,
        client_secret: args.client_secret,
        default_currency: args.default_currency.as_deref().unwrap_or_default(),
    };
    import.file(&args.file, env, out).await?;
    Ok(())
}
