//! What can be chosen about a store.

use std::{collections::BTreeMap, path::PathBuf};

use super::Service;

/// Where the services keep their data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Databases {
    /// In memory: gone when the service ends, also when it is only restarted.
    Memory,
    /// In this folder, one SQLite file per service.
    Sqlite(PathBuf),
    /// On the PostgreSQL server of this URL, one schema per service.
    Postgres(String),
}

/// TCP ports on loopback; 0 lets the operating system choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ports {
    /// The controller's gRPC.
    pub controller: u16,
    /// The catalogue's gRPC.
    pub catalog: u16,
    /// The cart service's gRPC.
    pub cart: u16,
    /// The identity provider's gRPC.
    pub idp: u16,
    /// The identity provider's HTTP: `OpenID` Connect.
    pub idp_http: u16,
    /// The payment service's gRPC.
    pub payment: u16,
}

/// What can be chosen about a store.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the services keep their data.
    pub databases: Databases,
    /// Where they listen.
    pub ports: Ports,
    /// Further command-line flags of single services, as their `--help` has them.
    pub flags: BTreeMap<Service, Vec<String>>,
    /// URLs that other services are told in place of a service's own, such as a proxy's.
    pub url_overrides: BTreeMap<Service, String>,
}

impl Settings {
    /// A store on ports that the operating system chooses, everything else as each service has it.
    #[must_use]
    pub const fn new(databases: Databases) -> Self {
        Self {
            databases,
            ports: Ports { controller: 0, catalog: 0, cart: 0, idp: 0, idp_http: 0, payment: 0 },
            flags: BTreeMap::new(),
            url_overrides: BTreeMap::new(),
        }
    }

    /// Adds command-line flags of one service.
    #[must_use]
    pub fn with_flags<'a>(
        mut self,
        service: Service,
        flags: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let all = self.flags.entry(service).or_default();
        all.extend(flags.into_iter().map(str::to_owned));
        self
    }

    /// Tells the other services to reach `service` at `url`.
    #[must_use]
    pub fn with_detour(mut self, service: Service, url: impl Into<String>) -> Self {
        self.url_overrides.insert(service, url.into());
        self
    }
}
