//! Limits of a server, each with its unit.

use std::time::Duration;

const MAX_IN_FLIGHT: u32 = 512;
const MAX_CONCURRENT_STREAMS: u32 = 256;
const DEFAULT_DEADLINE_MS: u64 = 10_000;
const LONGEST_DEADLINE_MS: u64 = 60_000;
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
const MAX_CONNECTION_AGE_SECONDS: u64 = 1_800;
const LAME_DUCK_SECONDS: u64 = 0;
const DRAIN_SECONDS: u64 = 10;

/// Limits of a server.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// Maximum in-flight requests; excess requests are rejected with RESOURCE_EXHAUSTED
    #[arg(long, env = "OXCART_MAX_IN_FLIGHT", default_value_t = MAX_IN_FLIGHT, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub max_in_flight: u32,

    /// Calls open at the same time on one connection, at most; more wait in the client
    #[arg(long, env = "OXCART_MAX_CONCURRENT_STREAMS", default_value_t = MAX_CONCURRENT_STREAMS)]
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_concurrent_streams: u32,

    /// Milliseconds for a call that states no deadline
    #[arg(long, env = "OXCART_DEFAULT_DEADLINE_MS", default_value_t = DEFAULT_DEADLINE_MS)]
    #[arg(value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub default_deadline_ms: u64,

    /// Milliseconds for any call, whatever it states
    #[arg(long, env = "OXCART_LONGEST_DEADLINE_MS", default_value_t = LONGEST_DEADLINE_MS)]
    #[arg(value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub longest_deadline_ms: u64,

    /// Bytes of one request message, at most
    #[arg(long, env = "OXCART_MAX_MESSAGE_BYTES", default_value_t = MAX_MESSAGE_BYTES)]
    #[arg(value_name = "BYTES")]
    pub max_message_bytes: usize,

    /// Seconds after which a connection is closed gracefully, so that clients spread over replicas
    #[arg(long, env = "OXCART_MAX_CONNECTION_AGE_SECONDS")]
    #[arg(default_value_t = MAX_CONNECTION_AGE_SECONDS, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub max_connection_age_seconds: u64,

    /// Seconds at shutdown in which health says no and calls are still taken, so that a load balancer
    /// that asks for health has left before connections close
    #[arg(long, env = "OXCART_LAME_DUCK_SECONDS", default_value_t = LAME_DUCK_SECONDS)]
    #[arg(value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=600))]
    pub lame_duck_seconds: u64,

    /// Seconds that calls at work have to finish at shutdown
    #[arg(long, env = "OXCART_DRAIN_SECONDS", default_value_t = DRAIN_SECONDS)]
    #[arg(value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=600))]
    pub drain_seconds: u64,
}

impl Default for ServerArgs {
    fn default() -> Self {
        Self {
            max_in_flight: MAX_IN_FLIGHT,
            max_concurrent_streams: MAX_CONCURRENT_STREAMS,
            default_deadline_ms: DEFAULT_DEADLINE_MS,
            longest_deadline_ms: LONGEST_DEADLINE_MS,
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_connection_age_seconds: MAX_CONNECTION_AGE_SECONDS,
            lame_duck_seconds: LAME_DUCK_SECONDS,
            drain_seconds: DRAIN_SECONDS,
        }
    }
}

impl ServerArgs {
    pub(super) fn default_deadline(&self) -> Duration {
        Duration::from_millis(self.default_deadline_ms)
    }

    pub(super) fn longest_deadline(&self) -> Duration {
        Duration::from_millis(self.longest_deadline_ms)
    }

    /// How long calls are still taken after the server was told to stop.
    #[must_use]
    pub const fn lame_duck(&self) -> Duration {
        Duration::from_secs(self.lame_duck_seconds)
    }

    pub(super) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// The longest that the server goes on after it was told to stop.
    #[must_use]
    pub const fn stop_limit(&self) -> Duration {
        Duration::from_secs(self.lame_duck_seconds + self.drain_seconds)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Config {
        #[command(flatten)]
        server: ServerArgs,
    }

    #[test]
    fn a_limit_out_of_its_range_is_refused_by_name() {
        for flag in [
            "--max-in-flight",
            "--max-concurrent-streams",
            "--default-deadline-ms",
            "--longest-deadline-ms",
            "--max-connection-age-seconds",
        ] {
            let refused = Config::try_parse_from(["cart-svc", flag, "0"]).err().unwrap();
            assert!(refused.to_string().contains(flag), "{refused}");
        }
    }

    #[test]
    fn the_defaults_of_the_command_line_are_the_defaults() {
        let parsed = Config::try_parse_from(["cart-svc"]).ok().unwrap().server;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", ServerArgs::default()));
    }
}
