//! The settings of the service, from flags and the environment.

use kit_database::DatabaseArgs;
use kit_rpc::{
    auth::AuthArgs,
    service::{CommonArgs, listens_on},
};
use oxcart_types::Currency;

/// Serves the catalogue: the items for sale, their descriptions and prices
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "catalog-svc", version = kit_service::version())]
#[command(mut_arg("listen", listens_on("127.0.0.1:50051")))]
pub struct Config {
    /// ISO 4217 currency of imported rows that name none
    #[arg(long, env = "OXCART_DEFAULT_CURRENCY", default_value = "GBP", value_name = "CODE")]
    pub default_currency: Currency,

    /// Import the built-in catalogue, a small store of 24 items, if nothing is for sale yet
    #[arg(long, env = "OXCART_LOAD_BUILT_IN")]
    pub load_built_in: bool,

    /// Where the items are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Whose tokens are good.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// What all services have
    #[command(flatten)]
    pub common: CommonArgs,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        for (flag, value) in [
            ("--listen", "here"),
            ("--default-currency", "XXZ"),
            ("--database-max-connections", "0"),
        ] {
            let error = Config::try_parse_from(["catalog-svc", flag, value]).unwrap_err();
            assert!(error.to_string().contains(flag), "{error}");
        }
    }
}
