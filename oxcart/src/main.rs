//! Runs the command; its result goes to standard output, its log and its failure to standard error.

use std::{io, process::ExitCode};

use clap::Parser as _;
use oxcart::Config;

fn main() -> ExitCode {
    let Config { command } = Config::parse();
    let telemetry = command.telemetry().clone();
    kit_service::run::run("oxcart", None, &telemetry, |shutdown| async move {
        oxcart::run(command, shutdown, &mut io::stdout()).await
    })
}
