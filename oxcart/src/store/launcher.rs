//! How the services are told of each other: by their own command-line flags and nothing else.

use std::{
    collections::BTreeMap,
    future::Future,
    net::{self, Ipv4Addr, SocketAddr},
};

use clap::Parser;
use kit_rpc::service::Service as _;
use kit_service::{Env, listen::bind};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

use super::{Cause, Databases, Service, Settings, StartError, running_service::RunningService};

/// The service client that the controller is, in the identity provider's built-in seed.
const CONTROLLER_CREDENTIALS: [&str; 4] =
    ["--client-id", "controller", "--client-secret", "controller-secret"];

/// What is the same for a service each time it starts.
pub(super) struct Launcher {
    settings: Settings,
    env: Env,
    /// Where each one listens; port 0 until it has been reserved.
    addresses: BTreeMap<Service, SocketAddr>,
    issuer: SocketAddr,
    /// Of services that have not been started yet.
    reserved: BTreeMap<Service, Listeners>,
}

/// What a service listens on, outside of any runtime.
struct Listeners {
    grpc: net::TcpListener,
    /// The identity provider's.
    http: Option<net::TcpListener>,
}

impl Launcher {
    pub(super) fn new(settings: Settings, env: Env) -> Self {
        let ports = settings.ports;
        let port = |service| match service {
            Service::Idp => ports.idp,
            Service::Catalog => ports.catalog,
            Service::Payment => ports.payment,
            Service::Cart => ports.cart,
            Service::Controller => ports.controller,
        };
        let addresses = Service::ALL.map(|service| (service, loopback(port(service)))).into();
        let issuer = loopback(ports.idp_http);
        Self { issuer, settings, env, addresses, reserved: BTreeMap::new() }
    }

    /// Takes all ports, so that one that is taken is found before anything has started.
    pub(super) async fn reserve_all(&mut self) -> Result<(), StartError> {
        for service in Service::ALL {
            let listeners = self.listen(service).await?;
            self.reserved.insert(service, listeners);
        }
        Ok(())
    }

    /// Takes the ports of a service. One that was free to choose is kept from then on.
    async fn listen(&mut self, service: Service) -> Result<Listeners, StartError> {
        let (name, flag) = (service.name(), service.port_flag());
        let (grpc, address) = listen(name, flag, self.address(service)).await?;
        self.addresses.insert(service, address);
        if service != Service::Idp {
            return Ok(Listeners { grpc, http: None });
        }
        let (http, issuer) = listen("idp's HTTP", "--idp-http-port", self.issuer).await?;
        self.issuer = issuer;
        Ok(Listeners { grpc, http: Some(http) })
    }

    pub(super) fn address(&self, service: Service) -> SocketAddr {
        self.addresses.get(&service).copied().unwrap_or_else(|| loopback(0))
    }

    pub(super) fn issuer(&self) -> String {
        format!("http://{}", self.issuer)
    }

    /// Where other services are told to reach `service`.
    fn url(&self, service: Service) -> String {
        let url_override = self.settings.url_overrides.get(&service).cloned();
        url_override.unwrap_or_else(|| format!("http://{}", self.address(service)))
    }

    /// Starts a service on its port.
    pub(super) async fn launch(&mut self, service: Service) -> Result<RunningService, StartError> {
        let Listeners { grpc, http } = match self.reserved.remove(&service) {
            Some(listeners) => listeners,
            None => self.listen(service).await?,
        };
        match service {
            Service::Idp => self.spawn(service, grpc, |config, grpc, shutdown, env| async {
                let http = http.ok_or("it has no port for HTTP")?;
                let http = TcpListener::from_std(http)?;
                Ok::<_, Cause>(idp_stub::serve(config, grpc, http, shutdown, env).await?)
            }),
            Service::Catalog => self.spawn(service, grpc, catalog_svc::Config::serve),
            Service::Payment => self.spawn(service, grpc, payment_stub::Config::serve),
            Service::Cart => self.spawn(service, grpc, cart_svc::Config::serve),
            Service::Controller => self.spawn(service, grpc, controller_svc::Config::serve),
        }
    }

    /// Runs `serve` on a runtime of its own, with the settings that the flags make.
    fn spawn<C, F, E>(
        &self,
        service: Service,
        listener: net::TcpListener,
        serve: impl FnOnce(C, TcpListener, CancellationToken, Env) -> F + Send + 'static,
    ) -> Result<RunningService, StartError>
    where
        C: Parser + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Cause>,
    {
        let config = C::try_parse_from(self.flags(service)).map_err(|error| {
            // The rest of it is about the usage of a program that nobody has called.
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default().to_owned();
            StartError::Setting { service, source: first.into() }
        })?;
        let no_runtime = |source| StartError::Runtime { service, source };
        let runtime = Runtime::new().map_err(no_runtime)?;
        let env = self.env.clone();
        Ok(RunningService::spawn(service, runtime, |shutdown| async move {
            // Only here, inside its own runtime, may the listener wait for connections.
            let listener = TcpListener::from_std(listener)?;
            serve(config, listener, shutdown, env).await.map_err(Into::into)
        }))
    }

    /// The command line of a service, its name first.
    fn flags(&self, service: Service) -> Vec<String> {
        let mut flags = vec![service.name().to_owned()];
        let mut add = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
        add("--issuer", self.issuer());
        if service != Service::Idp {
            add("--sign-in", self.url(Service::Idp));
        }
        if service == Service::Controller {
            for (flag, other) in [
                ("--catalog-url", Service::Catalog),
                ("--cart-url", Service::Cart),
                ("--payment-url", Service::Payment),
            ] {
                add(flag, self.url(other));
            }
            flags.extend(CONTROLLER_CREDENTIALS.map(str::to_owned));
        } else {
            add("--database-url", self.database_url(service));
            // Stated so that the environment of the process cannot mix the services' tables.
            add("--database-schema", service.name().to_owned());
        }
        flags.extend(self.settings.flags.get(&service).cloned().unwrap_or_default());
        flags
    }

    fn database_url(&self, service: Service) -> String {
        match &self.settings.databases {
            Databases::Memory => "memory:".to_owned(),
            Databases::Sqlite(folder) => {
                let path = folder.join(format!("{service}.sqlite3")).display().to_string();
                // These mean something in a URL.
                format!("sqlite:{}", path.replace('%', "%25").replace('?', "%3F"))
            }
            Databases::Postgres(url) => url.clone(),
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn listen(
    what: &'static str,
    flag: &'static str,
    address: SocketAddr,
) -> Result<(net::TcpListener, SocketAddr), StartError> {
    let taken = |source| StartError::Port { what, flag, source };
    let listener = bind(address).await.map_err(|error| taken(error.into()))?;
    // Out of this runtime: each service waits for connections in one of its own.
    let listener = listener.into_std().map_err(|error| taken(error.into()))?;
    let address = listener.local_addr().map_err(|error| taken(error.into()))?;
    Ok((listener, address))
}
