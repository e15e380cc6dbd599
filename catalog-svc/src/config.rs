//! The settings of the service, from flags and the environment.

use std::net::SocketAddr;

use kit_database::DatabaseArgs;
use kit_rpc::{auth::AuthArgs, server::ServerArgs};
use kit_service::telemetry::TelemetryArgs;
use oxcart_types::Currency;

/// Serves the catalogue: the items for sale, their descriptions and prices
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "catalog-svc", version = kit_service::version())]
pub struct Config {
    /// Address and port to listen on
    #[arg(long, env = "OXCART_LISTEN", default_value = "127.0.0.1:50051", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// ISO 4217 currency of imported rows that name none
    #[arg(long, env = "OXCART_DEFAULT_CURRENCY", default_value = "GBP", value_name = "CODE")]
    pub default_currency: Currency,

    /// Import the built-in catalogue, a small store of 24 items, if nothing is for sale yet
    #[arg(long, env = "OXCART_LOAD_BUILT_IN")]
    pub load_built_in: bool,

    /// Bring the database's schema up to date and exit
    #[arg(long)]
    pub migrate_only: bool,

    /// Ask the server on the listening address whether it is ready: exit with 0 if so, with 1 if not
    #[arg(long)]
    pub check_health: bool,

    /// Where the items are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Whose tokens are good.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// Limits of the server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
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
