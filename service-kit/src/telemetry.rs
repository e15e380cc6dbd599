//! Logs and traces.

/// What is logged, how, and where traces go.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryArgs {
    /// What to log: a level, or directives such as `info,cart_svc=debug`
    #[arg(long, env = "OXCART_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// How to log
    #[arg(long, env = "OXCART_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// Where to send traces (OTLP over gRPC). Default: nowhere
    #[arg(long, env = "OXCART_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Flushes traces when it is dropped.
#[must_use]
pub struct Guard {}

/// Starts logs and traces of the service `name` for this process. Call it inside the runtime.
pub fn init(_name: &'static str, _args: &TelemetryArgs) -> Guard {
    todo!()
}
