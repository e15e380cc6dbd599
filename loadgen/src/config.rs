//! What can be set, by flags or environment. The only place that reads the environment.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;

/// Replays real sales through a store, or puts it under load.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
pub struct Config {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Buys what the customers of a real shop bought and compares every total with the file.
    ///
    /// May be interrupted at any time: started again, it goes on and buys nothing twice. Exits with
    /// 1 if anything differs.
    Replay(ReplayArgs),
    /// Calls one operation as fast as the store answers, and prints how fast that was.
    Load(LoadArgs),
}

/// Where the store is, and as whom to use it.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// URL of the store's controller.
    #[arg(long, env = "OXCART_CONTROLLER", default_value = "http://127.0.0.1:8080")]
    pub controller: String,

    /// URL of the identity provider's gRPC port, where the one that the controller names cannot be
    /// reached from here.
    #[arg(long, env = "OXCART_SIGN_IN")]
    pub sign_in: Option<String>,

    /// A client of the identity provider that may impersonate users and write the catalogue.
    #[arg(long, env = "OXCART_CLIENT_ID", default_value = "loadgen")]
    pub client_id: String,

    /// The client's secret. The default is the development one.
    #[arg(
        long,
        env = "OXCART_CLIENT_SECRET",
        hide_env_values = true,
        hide_default_value = true,
        default_value = "loadgen-secret"
    )]
    pub client_secret: SecretString,

    /// Connections to the controller; calls are spread over them.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub connections: u8,

    /// Deadline of each call, in seconds.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub call_seconds: u64,
}

/// What to replay.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,

    /// CSV of the items for sale: sku, name, price, description. May be gzipped.
    #[arg(long)]
    pub catalog: PathBuf,

    /// CSV of what was bought: invoice, customer, at, sku, quantity. May be gzipped.
    #[arg(long)]
    pub purchases: PathBuf,

    /// CSV of what it must come to: invoice, customer, lines, units, and `total_gbp` or the total in
    /// another currency. May be gzipped.
    #[arg(long)]
    pub totals: PathBuf,

    /// How many customers shop at once. One customer's purchases are made one after the other.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,

    /// Has the first charge of every Nth purchase declined, before it is paid.
    #[arg(long, value_name = "N")]
    pub decline_every: Option<NonZeroUsize>,

    /// Has the payment processor's first answer to every Nth purchase's charge lost.
    #[arg(long, value_name = "N")]
    pub unanswered_every: Option<NonZeroUsize>,

    /// Has no charge of every Nth purchase ever answered, so that only the store's recovery can find
    /// out that it is paid. Each takes some 20 s.
    #[arg(long, value_name = "N")]
    pub never_answered_every: Option<NonZeroUsize>,

    /// Buys only the first so many purchases.
    #[arg(long, value_name = "N")]
    pub limit: Option<NonZeroUsize>,
}

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// The store.
    #[command(flatten)]
    pub store: StoreArgs,

    /// What to call.
    #[arg(long, value_enum)]
    pub op: Operation,

    /// How many users call at once, each waiting for its answer.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,

    /// How long to measure, in seconds. SIGTERM ends it before, with the figures so far.
    /// When it begins, `measuring` is written to standard error.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,

    /// Repeat a call whose failure may pass, as a shop's client should: then only a call that cannot
    /// be mended so counts as an error, and its time is that of all tries.
    #[arg(long)]
    pub repeat: bool,

    /// Who signs in with `--op sign-in`. The default is a user for development.
    #[arg(long, env = "OXCART_USERNAME", default_value = "demo")]
    pub username: String,

    /// The password of that user.
    #[arg(
        long,
        env = "OXCART_PASSWORD",
        hide_env_values = true,
        hide_default_value = true,
        default_value = "demo-password"
    )]
    pub password: SecretString,

    /// How long to call before measuring, in seconds.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub warmup_seconds: u64,
}

/// An operation under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// `GetStorefront`, `GetCart` and `SearchItems` in turn.
    Read,
    /// `SetItem` in a cart of each user's own.
    Update,
    /// `CreateCart` with one line, then `Checkout`.
    Checkout,
    /// `SignIn` by password, always the same user.
    SignIn,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const REPLAY: [&str; 8] =
        ["loadgen", "replay", "--catalog", "c", "--purchases", "p", "--totals", "t"];

    #[test]
    fn the_flags_are_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        for (flag, value) in [("--concurrency", "0"), ("--decline-every", "0"), ("--limit", "all")]
        {
            let refused = Config::try_parse_from(REPLAY.into_iter().chain([flag, value]));
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(flag), "{text}");
        }
    }

    #[test]
    fn the_secret_is_never_shown() {
        let config = Config::try_parse_from(REPLAY).unwrap();
        assert!(!format!("{config:?}").contains("loadgen-secret"));
    }
}
