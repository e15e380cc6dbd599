//! Flags and environment: the only place that reads either.

use std::{net::SocketAddr, num::NonZero, path::PathBuf, thread, time::Duration};

use kit_database::DatabaseArgs;
use kit_rpc::service::{CommonArgs, listens_on};

use crate::app::Policy;

/// A small identity provider for development: users, service tokens, OIDC discovery
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "idp-stub", version = kit_service::version())]
#[command(mut_arg("listen", listens_on("127.0.0.1:50053")))]
pub struct Config {
    /// Address for HTTP: discovery, keys, tokens, the login page; port 0 takes a free one
    #[arg(long, env = "OXCART_HTTP_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub http_listen: SocketAddr,

    /// Issuer: the URL under which others reach the HTTP address, and the claim `iss` of every token
    #[arg(
        long,
        env = "OXCART_ISSUER",
        default_value = "http://127.0.0.1:8081",
        value_name = "URL"
    )]
    #[arg(value_parser = issuer)]
    pub issuer: String,

    /// Users and clients, a TOML file, stored at every start. Default: a built-in one for development,
    /// whose passwords everybody knows
    #[arg(long, env = "OXCART_SEED", value_name = "FILE")]
    pub seed: Option<PathBuf>,

    /// Seconds that an access token is good, from 10 to 86400
    #[arg(long, env = "OXCART_ACCESS_TOKEN_TTL", default_value_t = 900, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub access_token_ttl: u32,

    /// Days that a refresh token is good, from 1 to 365
    #[arg(long, env = "OXCART_REFRESH_TOKEN_TTL", default_value_t = 30, value_name = "DAYS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=365))]
    pub refresh_token_ttl: u32,

    /// Passwords that are checked at once, at most, from 1 to 64; each takes a processor for 20 ms,
    /// and 19 MiB that are kept. For each, 100 more wait, up to 3 s. Default: the number of
    /// processors, from 2 to 8
    #[arg(long, env = "OXCART_PASSWORD_CHECKS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=64))]
    pub password_checks: Option<u8>,

    /// Audience of users' tokens
    #[arg(long, env = "OXCART_USER_AUDIENCE", default_value = "oxcart", value_name = "NAME")]
    pub user_audience: String,

    /// Audience of services' tokens; must differ from that of users' tokens
    #[arg(long, env = "OXCART_SERVICE_AUDIENCE", default_value = "oxcart-internal")]
    #[arg(value_name = "NAME")]
    pub service_audience: String,

    /// Where users, clients, keys and sessions are kept
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// What all services have
    #[command(flatten)]
    pub common: CommonArgs,
}

impl Config {
    /// How many passwords are checked at once, at most.
    #[must_use]
    pub fn password_checks(&self) -> usize {
        self.password_checks.map_or_else(
            || thread::available_parallelism().map_or(1, NonZero::get).clamp(2, 8),
            usize::from,
        )
    }

    /// What the tokens say.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            issuer: self.issuer.clone(),
            user_audience: self.user_audience.clone(),
            service_audience: self.service_audience.clone(),
            access_token_ttl: Duration::from_secs(self.access_token_ttl.into()),
            refresh_token_ttl: Duration::from_hours(24 * u64::from(self.refresh_token_ttl)),
        }
    }
}

fn issuer(text: &str) -> Result<String, String> {
    let wrong = "must be an http or https URL without query, fragment or slash at the end";
    let uri: http::Uri = text.parse().map_err(|_| wrong)?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    let is_plain = !text.ends_with('/') && !text.contains(['?', '#', '@', '"']);
    if is_web && is_plain { Ok(text.to_owned()) } else { Err(wrong.to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn parse(args: &[&str]) -> Result<Config, String> {
        let args = ["idp-stub"].iter().chain(args);
        Config::try_parse_from(args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_fit_together() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.issuer, format!("http://{}", config.http_listen));
        assert_eq!(config.policy().access_token_ttl, Duration::from_mins(15));
        assert_eq!(config.policy().refresh_token_ttl, Duration::from_hours(30 * 24));
        assert!((2..=8).contains(&config.password_checks()));
        assert_eq!(parse(&["--password-checks", "1"]).unwrap().password_checks(), 1);
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name() {
        for (flag, value) in [
            ("--issuer", "127.0.0.1:8081"),
            ("--issuer", "ftp://x"),
            ("--issuer", "http://x/"),
            ("--issuer", "http://x?y"),
            ("--http-listen", "8081"),
            ("--access-token-ttl", "0"),
            ("--refresh-token-ttl", "400"),
            ("--password-checks", "0"),
        ] {
            let error = parse(&[flag, value]).unwrap_err();
            assert!(error.contains(flag), "{error}");
        }
    }
}
