//! A gRPC service as a process: its settings, its start and its end.
//!
//! A service implements [`Service`] for its settings, and its `main` is [`fn@run`].

use std::{
    borrow::Cow, error::Error, future::Future, net::SocketAddr, ops::ControlFlow, process::ExitCode,
};

use kit_service::{
    Env,
    listen::{BindError, bind},
    run,
    telemetry::TelemetryArgs,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::server::{self, ServeError, ServerArgs};

/// What can be set of every service. The default of `--listen` is the service's own, by [`listens_on`].
#[derive(Debug, Clone, clap::Args)]
pub struct CommonArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "OXCART_LISTEN", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Ask the server on the listening address whether it is ready: exit with 0 if so, with 1 if not
    #[arg(long)]
    pub check_health: bool,

    /// Limits of the server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// Logs, traces and metrics.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// The default of `--listen`: `#[command(mut_arg("listen", listens_on("127.0.0.1:50052")))]`.
pub fn listens_on(address: &'static str) -> impl FnOnce(clap::Arg) -> clap::Arg {
    move |listen| listen.required(false).default_value(address)
}

/// A service, implemented for its settings.
pub trait Service: clap::Parser {
    /// The one name of the service: as a process, in logs, metrics and traces.
    const NAME: &'static str;

    /// What can be set of every service.
    fn common(&self) -> &CommonArgs;

    /// What is done before a port is taken, so that none calls a service which cannot answer: waiting
    /// for a database, say. `Break` if that was all the process was started for.
    ///
    /// # Errors
    /// [`RunError`].
    fn prepare(
        &self,
        _shutdown: &CancellationToken,
    ) -> impl Future<Output = Result<ControlFlow<()>, RunError>> + Send {
        async { Ok(ControlFlow::Continue(())) }
    }

    /// Serves on `listener` until `shutdown`, then finishes what is under way, within limits.
    ///
    /// # Errors
    /// [`RunError`].
    fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
        env: Env,
    ) -> impl Future<Output = Result<(), RunError>> + Send;
}

/// Why a service did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The server failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// What the service needs cannot be had.
    #[error("cannot {what}")]
    Start {
        /// What cannot be done; reads behind "cannot".
        what: Cow<'static, str>,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl RunError {
    /// For `map_err`: what the service cannot do, as in `cannot("use the database")`.
    pub fn cannot<E>(what: impl Into<Cow<'static, str>>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        move |source| Self::Start { what: what.into(), source: source.into() }
    }
}

/// Runs the service `S` as the command line says, until it is told to stop; or asks one that runs for
/// its health.
#[must_use]
pub fn run<S: Service>() -> ExitCode {
    let service = S::parse();
    let CommonArgs { listen, check_health, telemetry, .. } = service.common().clone();
    if check_health {
        return server::check_health(S::NAME, listen);
    }
    run::run(S::NAME, Some(listen), &telemetry, |shutdown| start(service, shutdown))
}

async fn start<S: Service>(service: S, shutdown: CancellationToken) -> Result<(), RunError> {
    if service.prepare(&shutdown).await?.is_break() {
        return Ok(());
    }
    let listener = bind(service.common().listen).await?;
    service.serve(listener, shutdown, Env::system()).await
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[derive(Debug, clap::Parser)]
    #[command(mut_arg("listen", listens_on("127.0.0.1:50052")))]
    struct Config {
        #[command(flatten)]
        common: CommonArgs,
    }

    #[test]
    fn a_service_listens_where_it_says_unless_it_is_told_otherwise() {
        Config::command().debug_assert();
        let listen =
            |args: &[&str]| Config::try_parse_from(args).unwrap().common.listen.to_string();
        assert_eq!(listen(&["cart-svc"]), "127.0.0.1:50052");
        assert_eq!(listen(&["cart-svc", "--listen=0.0.0.0:7"]), "0.0.0.0:7");
        let wrong = Config::try_parse_from(["cart-svc", "--listen=here"]).unwrap_err();
        assert!(wrong.to_string().contains("--listen"), "{wrong}");
    }

    #[test]
    fn an_error_says_what_cannot_be_done_and_why() {
        let error = RunError::cannot("use the database")("it is gone");
        assert_eq!(kit_service::chain(&error), "cannot use the database: it is gone");
    }
}
