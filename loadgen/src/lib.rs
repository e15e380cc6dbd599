//! Drives a running store through its contract alone, as its clients do, so it works on any
//! deployment: replays the sales of a real shop and checks every total, or measures how fast the
//! store answers.
//!
//! Deliberately absent: the services' code, their databases, and anything that a client could not
//! do. What it finds out, it finds out by asking the store.

mod config;
mod files;
mod load;
mod replay;
mod report;
mod store;

use std::io::{self, Write};

pub use config::{Command, Config, LoadArgs, Operation, ReplayArgs, StoreArgs};
pub use files::FileError;
pub use store::StartError;

/// Why a command could not do its work. What it found out about the store stands in its report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The store could not be reached, or does not say where to sign in.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The store refused something without which nothing can go on.
    #[error(transparent)]
    Call(#[from] oxcart_client::Error),
    /// There is nothing to buy.
    #[error("the store's catalogue is empty: import one first, for example by a replay")]
    EmptyCatalogue,
    /// The program would not learn that it is to stop.
    #[error("SIGTERM cannot be waited for")]
    Signal(#[source] io::Error),
    /// A part of the work ended by a panic.
    #[error("a task of the load generator failed")]
    Task(#[from] tokio::task::JoinError),
    /// The report could not be written.
    #[error("the report could not be written")]
    Report(#[from] io::Error),
}

/// Runs the command and writes its report to `out`. Says whether the store did all it should.
///
/// # Errors
/// See [`Error`].
pub async fn run(config: Config, out: &mut impl Write) -> Result<bool, Error> {
    match config.command {
        Command::Replay(args) => {
            let summary = replay::run(&args).await?;
            report::write_replay(out, &summary)?;
            Ok(summary.audit.differences.is_empty())
        }
        Command::Load(args) => {
            let figures = load::run(&args).await?;
            report::write_load(out, &figures)?;
            Ok(figures.has_successes())
        }
    }
}
