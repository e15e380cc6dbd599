//! What can be set, by flags or environment. The only place that reads the environment.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use kit_service::telemetry::TelemetryArgs;
use oxcart_client::ClientCredentials;
use secrecy::SecretString;

use crate::{
    demo::Credentials,
    store::{Databases, Ports, Service, Settings},
};

/// Users of the identity provider's built-in seed. The password of each is its name and `-password`.
const SEEDED_USERS: [&str; 3] = ["alice", "bob", "demo"];

/// That everybody knows the passwords is no news in a demo.
const DEMO_LOG: &str = "warn,idp_stub=error";

/// The whole store in one process.
#[derive(Debug, Parser)]
#[command(name = "oxcart", version)]
pub struct Config {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the store, visits it as one user, prints the visit and stops the store.
    ///
    /// A visit shows the items and the user's unpurchased carts, fills one more cart and buys it
    /// about half of the time, and ends with all purchases. The next visit finds what this one left.
    Demo(DemoArgs),
    /// Starts the store and keeps it running until Ctrl-C.
    Up(UpArgs),
    /// Loads a catalogue from CSV into a running store: all of its rows or, if one is bad, none.
    Import(ImportArgs),
}

impl Command {
    /// What to log and where.
    #[must_use]
    pub const fn telemetry(&self) -> &TelemetryArgs {
        match self {
            Self::Demo(args) => &args.telemetry,
            Self::Up(args) => &args.telemetry,
            Self::Import(args) => &args.telemetry,
        }
    }
}

/// Where the services keep their data.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Folder of the SQLite files, one per service. Made if missing; one process at a time.
    #[arg(long, env = "OXCART_DATA_DIR", default_value = "data", value_name = "DIR")]
    pub data_dir: String,

    /// Database in place of the data folder: `postgres://USER@HOST/NAME`, where each service makes a
    /// schema of its own, or `memory:`, which is lost at exit.
    #[arg(long, env = "OXCART_DATABASE", hide_env_values = true, value_name = "URL")]
    #[arg(value_parser = parse_database)]
    pub database: Option<Databases>,
}

impl DataArgs {
    /// The settings of a store with these databases, on any free ports. If it sells nothing yet, it
    /// begins with the built-in catalogue.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let files = || Databases::Sqlite(PathBuf::from(&self.data_dir));
        let settings = Settings::new(self.database.clone().unwrap_or_else(files));
        settings.with_flags(Service::Catalog, ["--load-built-in"])
    }
}

fn parse_database(url: &str) -> Result<Databases, &'static str> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Databases::Memory),
        Some(("postgres" | "postgresql", _)) => Ok(Databases::Postgres(url.to_owned())),
        _ => Err("must be postgres://USER@HOST/NAME or memory:, a folder is set with --data-dir"),
    }
}

/// How the demo goes.
#[derive(Debug, Args)]
#[command(mut_arg("log", |log| log.default_value(DEMO_LOG)))]
pub struct DemoArgs {
    /// Where the store's data is.
    #[command(flatten)]
    pub data: DataArgs,

    /// Who visits. Any name will do: the identity provider makes the user.
    #[arg(long, default_value = "demo", value_name = "NAME")]
    pub user: String,

    /// Makes the random choices repeatable.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Buys all unpurchased carts in place of filling another one.
    #[arg(long)]
    pub purchase: bool,

    /// What to log.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl DemoArgs {
    /// How the visitor signs in.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        let username = self.user.clone();
        if SEEDED_USERS.contains(&self.user.as_str()) {
            let password = format!("{username}-password").into();
            Credentials::Password { username, password }
        } else {
            let trusted = ClientCredentials::new("loadgen", "loadgen-secret");
            Credentials::Impersonated { username, trusted }
        }
    }
}

/// Where the store listens.
#[derive(Debug, Args)]
#[command(mut_arg("log", |log| log.default_value("warn")))]
pub struct UpArgs {
    /// Where the store's data is.
    #[command(flatten)]
    pub data: DataArgs,

    /// Port of the controller. As with all ports: on loopback only, and 0 takes a free one.
    #[arg(long, env = "OXCART_CONTROLLER_PORT", default_value_t = 8080, value_name = "PORT")]
    pub controller_port: u16,

    /// Port of the catalogue service.
    #[arg(long, env = "OXCART_CATALOG_PORT", default_value_t = 50051, value_name = "PORT")]
    pub catalog_port: u16,

    /// Port of the cart service.
    #[arg(long, env = "OXCART_CART_PORT", default_value_t = 50052, value_name = "PORT")]
    pub cart_port: u16,

    /// Port of the identity provider's gRPC.
    #[arg(long, env = "OXCART_IDP_PORT", default_value_t = 50053, value_name = "PORT")]
    pub idp_port: u16,

    /// Port of the identity provider's HTTP: the issuer of all tokens.
    #[arg(long, env = "OXCART_IDP_HTTP_PORT", default_value_t = 8081, value_name = "PORT")]
    pub idp_http_port: u16,

    /// Port of the payment service.
    #[arg(long, env = "OXCART_PAYMENT_PORT", default_value_t = 50054, value_name = "PORT")]
    pub payment_port: u16,

    /// What to log.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl UpArgs {
    /// The settings of the store.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let mut settings = self.data.settings();
        settings.ports = Ports {
            controller: self.controller_port,
            catalog: self.catalog_port,
            cart: self.cart_port,
            idp: self.idp_port,
            idp_http: self.idp_http_port,
            payment: self.payment_port,
        };
        settings
    }
}

/// What to load, and into which store.
#[derive(Debug, Args)]
#[command(mut_arg("log", |log| log.default_value("warn")))]
pub struct ImportArgs {
    /// CSV with the columns sku, name, price, description and, if wanted, currency.
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,

    /// URL of the store's controller, which also names the issuer of tokens.
    #[arg(long, env = "OXCART_CONTROLLER", default_value = "http://127.0.0.1:8080")]
    #[arg(value_name = "URL")]
    pub controller: String,

    /// ISO 4217 code for rows without a currency. Default: the catalogue's.
    #[arg(long, value_name = "CODE")]
    pub default_currency: Option<String>,

    /// A client of the issuer with the scope catalog:write.
    #[arg(long, env = "OXCART_CLIENT_ID", default_value = "admin", value_name = "NAME")]
    pub client_id: String,

    /// The client's secret. The default is the development one.
    #[arg(long, env = "OXCART_CLIENT_SECRET", default_value = "admin-secret")]
    #[arg(hide_env_values = true, hide_default_value = true, value_name = "SECRET")]
    pub client_secret: SecretString,

    /// What to log.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Config::command().debug_assert();
    }

    fn demo(flags: &[&str]) -> DemoArgs {
        let config = Config::try_parse_from([&["oxcart", "demo"], flags].concat()).unwrap();
        let Command::Demo(args) = config.command else { panic!("it is the demo") };
        args
    }

    #[test]
    fn data_is_kept_in_files_unless_a_database_is_named() {
        let databases = |flags: &[&str]| demo(flags).data.settings().databases;
        assert_eq!(databases(&[]), Databases::Sqlite("data".into()));
        assert_eq!(databases(&["--data-dir", "x y"]), Databases::Sqlite("x y".into()));
        assert_eq!(databases(&["--database", "memory:"]), Databases::Memory);
        let url = "postgres://h/x";
        assert_eq!(databases(&["--database", url]), Databases::Postgres(url.into()));
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        for (flag, value) in
            [("--database", "mysql://x"), ("--controller-port", "65536"), ("--cart-port", "x")]
        {
            let refused = Config::try_parse_from(["oxcart", "up", flag, value]);
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(flag), "{text}");
        }
    }

    #[test]
    fn any_name_may_visit() {
        let seeded = demo(&["--user", "alice"]).credentials();
        assert!(matches!(seeded, Credentials::Password { .. }), "{seeded:?}");
        let other = demo(&["--user", "grace"]).credentials();
        assert!(matches!(other, Credentials::Impersonated { .. }), "{other:?}");
    }

    #[test]
    fn the_secret_is_never_shown() {
        let config = Config::try_parse_from(["oxcart", "import", "x.csv"]).unwrap();
        assert!(!format!("{config:?}").contains("admin-secret"));
        assert!(!format!("{:?}", demo(&[]).credentials()).contains("demo-password"));
    }
}
