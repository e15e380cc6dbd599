//! Runs the command, writes its report to standard output and its failure to standard error.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use loadgen::Config;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    match loadgen::run(config, &mut io::stdout()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            explain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Writes the error and its causes in one line.
fn explain(error: &dyn Error) {
    let mut text = format!("loadgen: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    // Nobody is left to hear that standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}
