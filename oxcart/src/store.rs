//! The whole store in one process: five services, each on a runtime and a port of its own.
//!
//! They meet over gRPC alone, as they would on five machines, so that one of them can be stopped or
//! killed while the others run. There are no shortcuts
//! between them.

mod launcher;
mod running_service;
mod settings;

use std::{
    collections::BTreeMap, error::Error, fmt, future::poll_fn, io, net::SocketAddr, task::Poll,
};

use kit_service::Env;

pub use self::running_service::until_serving;
use self::{launcher::Launcher, running_service::RunningService};
pub use settings::{Databases, Ports, Settings};

/// One of the five services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Signs users and services in.
    Idp,
    /// Knows the items for sale.
    Catalog,
    /// Takes payments.
    Payment,
    /// Keeps carts and checkouts.
    Cart,
    /// What clients talk to.
    Controller,
}

impl Service {
    /// All of them, each behind those it needs.
    pub const ALL: [Self; 5] =
        [Self::Idp, Self::Catalog, Self::Payment, Self::Cart, Self::Controller];

    /// The name of its schema, its file and its flags.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idp => "idp",
            Self::Catalog => "catalog",
            Self::Payment => "payment",
            Self::Cart => "cart",
            Self::Controller => "controller",
        }
    }

    /// The flag of `oxcart up` that names its gRPC port.
    const fn port_flag(self) -> &'static str {
        match self {
            Self::Idp => "--idp-port",
            Self::Catalog => "--catalog-port",
            Self::Payment => "--payment-port",
            Self::Cart => "--cart-port",
            Self::Controller => "--controller-port",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whatever a service failed with.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why the store, or one service of it, does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or may not be used.
    #[error("the {what} cannot listen, name another port with {flag}")]
    Port {
        /// What was to listen.
        what: &'static str,
        /// The flag of the port.
        flag: &'static str,
        /// Names the port.
        source: Cause,
    },
    /// A setting was refused.
    #[error("the {service} service refuses a setting")]
    Setting {
        /// Which service.
        service: Service,
        /// Names the setting.
        source: Cause,
    },
    /// The service ended by itself.
    #[error("the {service} service has failed")]
    Failed {
        /// Which service.
        service: Service,
        /// Why.
        source: Cause,
    },
    /// The service did not become healthy, or did not stop, in time.
    #[error("the {service} service did not {what} within {seconds} s")]
    Slow {
        /// Which service.
        service: Service,
        /// What it should have done.
        what: &'static str,
        /// How long it had.
        seconds: u64,
    },
    /// The operating system has no threads left.
    #[error("no runtime for the {service} service")]
    Runtime {
        /// Which service.
        service: Service,
        /// What the operating system says.
        source: io::Error,
    },
}

/// A running store. Dropping it kills all services, as a power cut would.
pub struct Store {
    launcher: Launcher,
    members: BTreeMap<Service, RunningService>,
}

impl Store {
    /// Starts all five services in the order in which they need each other, and returns once every
    /// one says that it is healthy.
    ///
    /// # Errors
    /// [`StartError`]; what had been started is killed.
    pub async fn start(settings: Settings, env: Env) -> Result<Self, StartError> {
        let mut store = Self::prepare(settings, env).await?;
        for service in Service::ALL {
            store.start_one(service).await?;
        }
        Ok(store)
    }

    /// A store of which nothing runs yet, but whose ports are taken and known.
    ///
    /// # Errors
    /// [`StartError::Port`].
    pub async fn prepare(settings: Settings, env: Env) -> Result<Self, StartError> {
        let mut launcher = Launcher::new(settings, env);
        launcher.reserve_all().await?;
        Ok(Self { launcher, members: BTreeMap::new() })
    }

    /// Starts a service; one that ran before comes back on the port and the data it had.
    ///
    /// # Errors
    /// [`StartError`]. A service that runs already is left alone.
    pub async fn start_one(&mut self, service: Service) -> Result<(), StartError> {
        if self.members.contains_key(&service) {
            return Ok(());
        }
        let mut member = self.launcher.launch(service).await?;
        member.healthy(self.launcher.address(service)).await?;
        self.members.insert(service, member);
        Ok(())
    }

    /// Stops a service as SIGTERM would: it finishes what it has begun.
    ///
    /// # Errors
    /// [`StartError::Failed`] if it had failed, [`StartError::Slow`] if it does not end.
    pub async fn stop(&mut self, service: Service) -> Result<(), StartError> {
        match self.members.remove(&service) {
            Some(member) => member.stop().await,
            None => Ok(()),
        }
    }

    /// Ends a service as `kill -9` would: in the middle of whatever it does, its connections broken.
    /// A transaction that it had sent to commit may still commit, as with a real kill.
    pub async fn kill(&mut self, service: Service) {
        if let Some(member) = self.members.remove(&service) {
            member.kill().await;
        }
    }

    /// Stops all services, those that clients talk to first.
    ///
    /// # Errors
    /// The first that [`Self::stop`] meets; the others are stopped all the same.
    pub async fn shutdown(mut self) -> Result<(), StartError> {
        let mut outcome = Ok(());
        for service in Service::ALL.into_iter().rev() {
            let stopped = self.stop(service).await;
            outcome = outcome.and(stopped);
        }
        outcome
    }

    /// Returns when a service ends that nobody stopped.
    pub async fn failure(&mut self) -> StartError {
        poll_fn(|context| {
            let mut ended = self.members.values_mut().map(|member| member.poll_failure(context));
            ended.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    /// Where a service listens for gRPC.
    #[must_use]
    pub fn address(&self, service: Service) -> SocketAddr {
        self.launcher.address(service)
    }

    /// The same as a URL for clients.
    #[must_use]
    pub fn url(&self, service: Service) -> String {
        format!("http://{}", self.address(service))
    }

    /// The identity provider's HTTP side: the issuer of all tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.launcher.issuer()
    }
}
