//! What can be set, by flag or environment. The only place that reads the environment.

use std::time::Duration;

use clap::Parser;
use kit_database::DatabaseArgs;
use kit_rpc::{
    auth::AuthArgs,
    service::{CommonArgs, listens_on},
};

use crate::domain::acquirer::Delays;

/// The simulated payment processor: test cards, scripted trouble, and one final outcome per key.
#[derive(Debug, Clone, Parser)]
#[command(name = "payment-stub", version = kit_service::version())]
#[command(mut_arg("listen", listens_on("127.0.0.1:50054")))]
pub struct Config {
    /// How long a payment with `tok_slow` takes, in milliseconds
    #[arg(long, env = "OXCART_SLOW_MS", default_value_t = 3_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    pub slow_ms: u64,

    /// How long a payment with `tok_late` takes, in milliseconds
    #[arg(long, env = "OXCART_LATE_MS", default_value_t = 20_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    pub late_ms: u64,

    /// How long Charge waits for an outcome before it answers PROCESSING, in milliseconds; a shorter
    /// deadline of the caller shortens it
    #[arg(long, env = "OXCART_CHARGE_WAIT_MS", default_value_t = 5_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub charge_wait_ms: u64,

    /// How often to look for orphaned PROCESSING payments, in milliseconds; also done at start
    #[arg(long, env = "OXCART_SWEEP_MS", default_value_t = 10_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(10..=3_600_000))]
    pub sweep_ms: u64,

    /// Where payments are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Whose tokens are good.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// What all services have
    #[command(flatten)]
    pub common: CommonArgs,
}

impl Config {
    /// How long scripted delays last.
    #[must_use]
    pub const fn delays(&self) -> Delays {
        Delays {
            slow: Duration::from_millis(self.slow_ms),
            late: Duration::from_millis(self.late_ms),
        }
    }

    /// How long Charge waits for an outcome at most.
    #[must_use]
    pub const fn charge_wait(&self) -> Duration {
        Duration::from_millis(self.charge_wait_ms)
    }

    /// How often undecided payments are looked for.
    #[must_use]
    pub const fn sweep_interval(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Config::command().debug_assert();
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        for wrong in ["--slow-ms=soon", "--listen=here", "--sweep-ms=0", "--charge-wait-ms=-1"] {
            let error = Config::try_parse_from(["payment-stub", wrong]).unwrap_err().to_string();
            let (name, _) = wrong.split_once('=').unwrap();
            assert!(error.contains(name), "{error}");
        }
    }
}
