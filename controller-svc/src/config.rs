//! What can be set, by flag or environment. The only place that reads the environment.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use kit_rpc::{
    auth::AuthArgs,
    service::{CommonArgs, listens_on},
};
use kit_service::secret::{self, SecretError};
use secrecy::SecretString;

use crate::app::{checkout::DriverConfig, recovery::RecoverySettings};

/// What a shop's client talks to: items, carts and checkout.
#[derive(Debug, Clone, Parser)]
#[command(name = "controller-svc", version = kit_service::version())]
#[command(mut_arg("listen", listens_on("127.0.0.1:8080")))]
pub struct Config {
    /// Where the catalogue is
    #[arg(long, env = "OXCART_CATALOG_URL", default_value = "http://127.0.0.1:50051")]
    #[arg(value_name = "URL")]
    pub catalog_url: String,

    /// Where the cart service is
    #[arg(long, env = "OXCART_CART_URL", default_value = "http://127.0.0.1:50052")]
    #[arg(value_name = "URL")]
    pub cart_url: String,

    /// Where the payment service is
    #[arg(long, env = "OXCART_PAYMENT_URL", default_value = "http://127.0.0.1:50054")]
    #[arg(value_name = "URL")]
    pub payment_url: String,

    /// The controller's name at the issuer
    #[arg(long, env = "OXCART_CLIENT_ID", default_value = "controller", value_name = "NAME")]
    pub client_id: String,

    /// The controller's secret at the issuer
    #[arg(long, env = "OXCART_CLIENT_SECRET", hide_env_values = true, value_name = "SECRET")]
    #[arg(required_unless_present = "client_secret_file")]
    pub client_secret: Option<SecretString>,

    /// File whose only line is the controller's secret at the issuer, instead of the secret itself
    #[arg(long, env = "OXCART_CLIENT_SECRET_FILE", conflicts_with = "client_secret")]
    #[arg(value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,

    /// The longest that a checkout is waited for before the answer is "pending", in milliseconds
    #[arg(long, env = "OXCART_CHECKOUT_ANSWER_MS", default_value_t = 8_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=60_000))]
    pub checkout_answer_ms: u64,

    /// How long a checkout is driven before it is left to recovery, in milliseconds. Best below the
    /// cart service's first lease
    #[arg(
        long,
        env = "OXCART_CHECKOUT_TIME_BUDGET_MS",
        default_value_t = 12_000,
        value_name = "MS"
    )]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=600_000))]
    pub checkout_time_budget_ms: u64,

    /// The longest that one call of a checkout to another service may take, in milliseconds
    #[arg(long, env = "OXCART_CHECKOUT_CALL_MS", default_value_t = 4_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub checkout_call_ms: u64,

    /// Checkouts that are driven at the same time, at most; more are shed before they begin
    #[arg(long, env = "OXCART_MAX_CHECKOUTS", default_value_t = 1_024, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_checkouts: u32,

    /// Checkouts that are watched at the same time, at most
    #[arg(long, env = "OXCART_MAX_WATCHES", default_value_t = 1_024, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub max_watches: u32,

    /// The mean time between two looks for overdue checkouts, in milliseconds
    #[arg(long, env = "OXCART_RECOVERY_INTERVAL_MS", default_value_t = 1_000, value_name = "MS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub recovery_interval_ms: u64,

    /// Overdue checkouts that are finished at the same time, at most
    #[arg(long, env = "OXCART_RECOVERY_BATCH", default_value_t = 16, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub recovery_batch: u32,

    /// Whose tokens are good.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// What all services have
    #[command(flatten)]
    pub common: CommonArgs,
}

impl Config {
    /// How long the parts of a checkout may take, and how many may go on at once.
    #[must_use]
    pub fn config(&self) -> DriverConfig {
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        DriverConfig {
            answer_within: Duration::from_millis(self.checkout_answer_ms),
            time_budget: Duration::from_millis(self.checkout_time_budget_ms),
            call_limit: self.call_limit(),
            max_attempts: count(self.max_checkouts),
            max_watches: count(self.max_watches),
            ..DriverConfig::default()
        }
    }

    /// The controller's secret at the issuer.
    ///
    /// # Errors
    /// [`SecretError`] if the file that holds it does not give it.
    pub fn client_secret(&self) -> Result<SecretString, SecretError> {
        match (&self.client_secret, &self.client_secret_file) {
            (Some(secret), _) => Ok(secret.clone()),
            (None, Some(path)) => secret::read("client-secret-file", path),
            // The command line does not let this pass.
            (None, None) => Ok(SecretString::default()),
        }
    }

    /// How recovery goes about it.
    #[must_use]
    pub const fn recovery(&self) -> RecoverySettings {
        RecoverySettings {
            interval: Duration::from_millis(self.recovery_interval_ms),
            batch: self.recovery_batch,
            call_limit: self.call_limit(),
        }
    }

    const fn call_limit(&self) -> Duration {
        Duration::from_millis(self.checkout_call_ms)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Config::command().debug_assert();
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        for wrong in ["--max-checkouts=0", "--recovery-batch=101", "--listen=here"] {
            let error = Config::try_parse_from(["controller-svc", "--client-secret=x", wrong]);
            let error = error.unwrap_err().to_string();
            let (name, _) = wrong.split_once('=').unwrap();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let config = Config::parse_from(["controller-svc", "--client-secret=hunter2"]);
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn the_secret_comes_from_a_file_or_from_the_flag_and_not_from_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\n").unwrap();
        let file = format!("--client-secret-file={}", path.display());
        let config = Config::try_parse_from(["controller-svc", &file]).unwrap();
        assert_eq!(config.client_secret().unwrap().expose_secret(), "hunter2");
        let both = ["controller-svc", &file, "--client-secret=x"];
        assert!(Config::try_parse_from(both).is_err());
        assert!(Config::try_parse_from(["controller-svc"]).is_err());
    }
}
