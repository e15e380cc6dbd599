//! What can be set, by flag or environment. The only place that reads the environment.

use std::time::Duration;

use clap::Parser;
use kit_database::DatabaseArgs;
use kit_rpc::{
    auth::AuthArgs,
    service::{CommonArgs, listens_on},
};
use oxcart_types::MAX_QUANTITY;

use crate::{app::Timing, domain::Limits};

/// Carts and the record of their checkouts.
#[derive(Debug, Clone, Parser)]
#[command(name = "cart-svc", version = kit_service::version())]
#[command(mut_arg("listen", listens_on("127.0.0.1:50052")))]
pub struct Config {
    /// Unpurchased carts of one user, at most
    #[arg(long, env = "OXCART_MAX_CARTS", default_value_t = 100, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_carts: u32,

    /// Lines of one cart, at most
    #[arg(long, env = "OXCART_MAX_LINES", default_value_t = 1_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub max_lines: u16,

    /// Pieces in one line, at most
    #[arg(long, env = "OXCART_MAX_QUANTITY", default_value_t = MAX_QUANTITY, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=i64::from(MAX_QUANTITY)))]
    pub max_quantity: i32,

    /// From the start of a checkout until it may be handed to another worker, in milliseconds
    #[arg(long, env = "OXCART_FIRST_LEASE_MS", default_value_t = 15_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub first_lease_ms: u64,

    /// From the start of a checkout until its payment may no longer be started, in milliseconds
    #[arg(long, env = "OXCART_CHARGE_WINDOW_MS", default_value_t = 8_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    pub charge_window_ms: u64,

    /// Where carts are kept.
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
    /// What one user may keep.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_carts: self.max_carts.into(),
            max_lines: self.max_lines.into(),
            max_quantity: self.max_quantity,
        }
    }

    /// How long the parts of a checkout may take.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        Timing {
            first_lease: Duration::from_millis(self.first_lease_ms),
            charge_window: Duration::from_millis(self.charge_window_ms),
        }
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
        for wrong in
            ["--max-carts=0", "--max-lines=many", "--max-quantity=1000001", "--listen=here"]
        {
            let error = Config::try_parse_from(["cart-svc", wrong]).unwrap_err().to_string();
            let (name, _) = wrong.split_once('=').unwrap();
            assert!(error.contains(name), "{error}");
        }
    }
}
