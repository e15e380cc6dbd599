//! The pools of connections, and the waiting for one of them.

use std::sync::{
    Mutex, MutexGuard, Once, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use kit_service::{
    metrics::{self, Counter, Kind, Metric},
    telemetry::ACQUIRE_DURATION,
};
use opentelemetry::KeyValue;
use sqlx::{Pool, Postgres, Sqlite};

use crate::Database;

/// The metrics of every service that has a database.
pub static METRICS: [Metric; 4] =
    [CONNECTIONS, MAX_CONNECTIONS, ACQUIRE_DURATION.metric(), FAILURES.metric()];

const CONNECTIONS: Metric = Metric {
    name: "db_pool_connections",
    kind: Kind::Gauge,
    labels: &["server", "pool", "state"],
    help: "Open connections to the database that are `in_use` or `idle`.",
};

const MAX_CONNECTIONS: Metric = Metric {
    name: "db_pool_max_connections",
    kind: Kind::Gauge,
    labels: &["server", "pool"],
    help: "Connections to the database that may be open at most.",
};

/// Statements that failed.
pub(crate) static FAILURES: Counter<1> = Counter::new(
    "db_failures_total",
    "Statements that failed: `no_connection` came free in time, the database is `unavailable`, or it refused a `broken` statement.",
    ["kind"],
);

/// What can be asked at any time, of the databases in use.
static WATCHED: Mutex<Vec<(u64, Entry)>> = Mutex::new(Vec::new());

/// The instruments are made when the first database is shown.
static OBSERVED: Once = Once::new();

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

struct Entry {
    server: &'static str,
    name: &'static str,
    pool: AnyPool,
}

enum AnyPool {
    Sqlite(Pool<Sqlite>),
    Postgres(Pool<Postgres>),
}

impl AnyPool {
    /// Connections in use, idle, and at most.
    fn numbers(&self) -> (u64, u64, u64) {
        let (size, idle, max) = match self {
            Self::Sqlite(pool) => {
                (pool.size(), pool.num_idle(), pool.options().get_max_connections())
            }
            Self::Postgres(pool) => {
                (pool.size(), pool.num_idle(), pool.options().get_max_connections())
            }
        };
        let idle = idle as u64;
        (u64::from(size).saturating_sub(idle), idle, max.into())
    }
}

/// Shows a database's pools until it is dropped.
#[must_use]
pub struct Watched(u64);

/// Shows the pools of `database` under the name of its `server`.
pub fn watch(server: &'static str, database: &Database) -> Watched {
    let pools = match database {
        Database::Memory => vec![],
        Database::Sqlite(sqlite) => vec![
            ("read", AnyPool::Sqlite(sqlite.read.clone())),
            ("write", AnyPool::Sqlite(sqlite.write.clone())),
        ],
        Database::Postgres(pool) => vec![("postgres", AnyPool::Postgres(pool.clone()))],
    };
    OBSERVED.call_once(observe);
    // Shown as 0, so that the first failure is seen as a change.
    for kind in ["no_connection", "unavailable", "broken"] {
        FAILURES.add(0, [kind]);
    }
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    watched().extend(pools.into_iter().map(|(name, pool)| (id, Entry { server, name, pool })));
    Watched(id)
}

impl Drop for Watched {
    fn drop(&mut self) {
        watched().retain(|(id, _)| *id != self.0);
    }
}

/// Nothing in here panics while it holds the lock, so a poisoned one is still whole.
fn watched() -> MutexGuard<'static, Vec<(u64, Entry)>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn observe() {
    let meter = metrics::meter();
    let connections = meter.u64_observable_gauge(CONNECTIONS.name);
    let connections = connections.with_description(CONNECTIONS.help).with_callback(|observer| {
        for (_, entry) in watched().iter() {
            let (in_use, idle, _) = entry.pool.numbers();
            let [server, pool] = entry.labels();
            for (state, count) in [("in_use", in_use), ("idle", idle)] {
                let state = KeyValue::new("state", state);
                observer.observe(count, &[server.clone(), pool.clone(), state]);
            }
        }
    });
    connections.build();
    let most = meter.u64_observable_gauge(MAX_CONNECTIONS.name);
    let most = most.with_description(MAX_CONNECTIONS.help).with_callback(|observer| {
        for (_, entry) in watched().iter() {
            observer.observe(entry.pool.numbers().2, &entry.labels());
        }
    });
    most.build();
}

impl Entry {
    fn labels(&self) -> [KeyValue; 2] {
        [KeyValue::new("server", self.server), KeyValue::new("pool", self.name)]
    }
}
