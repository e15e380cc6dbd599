//! Spreads calls over all addresses of a service.
//!
//! Each address has its own connection, opened with the first call and kept; see [`Backend`]. A call
//! goes to the less busy of two that are connected, so one that died is left as soon as its
//! connection breaks. Deliberately absent: repeating a call that a server may have seen.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use http::{Request, Response, Uri, request::Parts};
use tokio::{
    sync::{Notify, watch},
    time::{self, Instant},
};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status, body::Body, transport::Endpoint};
use tower::{Service as _, ServiceExt as _};

use crate::{
    backend::Backend,
    error::{Error, chain},
    link::Link,
    random::Random,
    replay::Replay,
    resolve::{Ask, Resolver},
    timeout,
    unsent::{Unsent, unsent},
};

/// The mean time between two looks for addresses. The next look starts after the last has ended, so
/// a resolver that hangs is asked once.
const PERIOD: Duration = Duration::from_millis(1_500);

/// The shortest time between two looks, for calls that found no address at all.
const SHORTEST_PERIOD: Duration = Duration::from_millis(100);

/// More addresses of one service are not used.
const MAX_BACKENDS: usize = 64;

/// How often one call is sent at most. All but the last were certainly not processed.
const MAX_TRIES: usize = 5;

/// Where the calls to one service go.
pub(crate) struct Balancer {
    endpoint: Endpoint,
    resolver: Resolver,
    random: Random,
    endpoints: Arc<EndpointSet>,
    follower: OnceLock<AbortOnDropHandle<()>>,
}

/// What is known of the service's addresses.
#[derive(Default)]
struct EndpointSet {
    known: Mutex<Known>,
    changed: watch::Sender<()>,
    hurry: Notify,
}

#[derive(Default)]
struct Known {
    backends: Vec<Arc<Backend>>,
    /// How often no address was found, and why not the last time.
    failures: u64,
    failure: Option<String>,
}

/// How often everything had failed when a call began to wait.
struct Before {
    resolver: u64,
    backends: HashMap<SocketAddr, u64>,
}

impl fmt::Debug for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer").field("uri", self.endpoint.uri()).finish_non_exhaustive()
    }
}

impl Balancer {
    pub(crate) fn new(endpoint: Endpoint, resolver: Resolver) -> Self {
        Self {
            endpoint,
            resolver,
            random: Random::new(),
            endpoints: Arc::default(),
            follower: OnceLock::new(),
        }
    }

    /// The service's URL.
    pub(crate) fn uri(&self) -> &Uri {
        self.endpoint.uri()
    }

    /// Makes a call that must be answered before `until`.
    pub(crate) async fn call(
        &self,
        request: Request<Body>,
        until: Instant,
    ) -> Result<Response<Body>, Error> {
        self.follower.get_or_init(|| self.follow());
        let (head, body) = request.into_parts();
        let replay = Replay::new(body);
        let mut last = None;
        for _ in 0..MAX_TRIES {
            let (backend, link) = self.ready().await?;
            let Some(body) = replay.body() else { break };
            match attempt(&backend, link, again(&head, body, until)).await {
                Ok(response) => return Ok(response),
                Err(Failed::Unsent(error)) => last = Some(error),
                Err(Failed::Perhaps(error)) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Unreachable("the service refuses calls".to_owned())))
    }

    fn follow(&self) -> AbortOnDropHandle<()> {
        let start = {
            let (endpoint, random) = (self.endpoint.clone(), self.random.clone());
            let changed = self.endpoints.changed.clone();
            move |address| {
                Backend::start(address, endpoint.clone(), random.clone(), changed.clone())
            }
        };
        let (endpoints, random) = (Arc::clone(&self.endpoints), self.random.clone());
        match &self.resolver {
            Resolver::Fixed(address) => {
                endpoints.settle(&[*address], start);
                AbortOnDropHandle::new(tokio::spawn(async {}))
            }
            Resolver::Asked(ask) => {
                AbortOnDropHandle::new(tokio::spawn(follow(ask.clone(), endpoints, start, random)))
            }
        }
    }

    /// A connected address. If there is none, all are tried now; this fails when all have failed.
    async fn ready(&self) -> Result<(Arc<Backend>, Link), Error> {
        let mut changes = self.endpoints.changed.subscribe();
        if let Some(found) = self.pick() {
            return Ok(found);
        }
        let before = self.endpoints.hurry();
        loop {
            changes.mark_unchanged();
            if let Some(found) = self.pick() {
                return Ok(found);
            }
            if let Some(why) = self.endpoints.failed_since(&before) {
                return Err(Error::Unreachable(why));
            }
            if changes.changed().await.is_err() {
                return Err(Error::Unreachable("the channel is closed".to_owned()));
            }
        }
    }

    /// The less busy of two connected addresses, chosen at random among those in good standing.
    fn pick(&self) -> Option<(Arc<Backend>, Link)> {
        let mut up: Vec<_> = {
            let known = self.endpoints.known();
            let linked = |backend: &Arc<Backend>| Some((Arc::clone(backend), backend.link()?));
            known.backends.iter().filter_map(linked).collect()
        };
        if up.iter().any(|(backend, _)| !backend.is_aside()) {
            up.retain(|(backend, _)| !backend.is_aside());
        }
        while up.len() > 2 {
            up.swap_remove(self.random.below(up.len()));
        }
        if up.len() == 2 && self.random.below(2) == 1 {
            up.swap(0, 1);
        }
        up.into_iter().min_by_key(|(backend, _)| backend.at_work())
    }
}

/// Why a try failed.
enum Failed {
    /// The server has certainly not begun with the call.
    Unsent(Error),
    /// It may have.
    Perhaps(Error),
}

async fn attempt(
    backend: &Backend,
    mut link: Link,
    request: Request<Body>,
) -> Result<Response<Body>, Failed> {
    let at_work = backend.begin();
    let sent = match link.channel.ready().await {
        Ok(channel) => channel.call(request).await,
        Err(failure) => Err(failure),
    };
    match sent {
        Ok(response) => {
            let answered = Status::from_header_map(response.headers());
            if answered.is_none_or(|status| status.code() != Code::Unavailable) {
                at_work.answered();
            }
            Ok(response)
        }
        Err(failure) => {
            let why = unsent(&failure);
            tracing::debug!(peer = %backend.address, error = chain(&failure), ?why, "call failed");
            if why == Some(Unsent::Ended) {
                link.ended.cancel();
            }
            let error = Error::transport(failure);
            Err(if why.is_some() { Failed::Unsent(error) } else { Failed::Perhaps(error) })
        }
    }
}

/// The same request once more, with what is left of its time.
fn again(head: &Parts, body: Body, until: Instant) -> Request<Body> {
    let mut request = Request::from_parts(head.clone(), body);
    let left = until.saturating_duration_since(Instant::now());
    timeout::write(request.headers_mut(), left);
    request
}

impl EndpointSet {
    /// Nothing in here panics while it holds the lock, so a poisoned one is still whole.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all pauses between tries.
    fn hurry(&self) -> Before {
        let known = self.known();
        let count = |backend: &Arc<Backend>| (backend.address, backend.failures());
        let before = Before {
            resolver: known.failures,
            backends: known.backends.iter().map(count).collect(),
        };
        self.hurry.notify_one();
        known.backends.iter().for_each(|backend| backend.hurry());
        before
    }

    /// Why nothing can be reached, if all was tried in vain since `before`.
    fn failed_since(&self, before: &Before) -> Option<String> {
        let known = self.known();
        if known.backends.is_empty() {
            return known.failure.clone().filter(|_| known.failures > before.resolver);
        }
        let failure = |backend: &Arc<Backend>| {
            backend.failed_since(before.backends.get(&backend.address).copied().unwrap_or(0))
        };
        let failures: Option<Vec<_>> = known.backends.iter().map(failure).collect();
        failures?.into_iter().next()
    }

    /// Goes on with these addresses only: `start` those that are new, drop those that are gone.
    fn settle(&self, found: &[SocketAddr], start: impl Fn(SocketAddr) -> Arc<Backend>) {
        let mut known = self.known();
        known.backends.retain(|backend| found.contains(&backend.address));
        for address in found {
            let is_new = known.backends.iter().all(|backend| backend.address != *address);
            if is_new && known.backends.len() < MAX_BACKENDS {
                known.backends.push(start(*address));
            }
        }
        known.failure = None;
        drop(known);
        self.changed.send_replace(());
    }

    /// Goes on with the addresses that were known before.
    fn keep(&self, failure: String) {
        let mut known = self.known();
        if known.failure.is_none() {
            tracing::warn!(addresses = known.backends.len(), "{failure}");
        }
        known.failures += 1;
        known.failure = Some(failure);
        drop(known);
        self.changed.send_replace(());
    }
}

/// Keeps the addresses up to date, until it is dropped.
async fn follow(
    ask: Ask,
    endpoints: Arc<EndpointSet>,
    start: impl Fn(SocketAddr) -> Arc<Backend>,
    random: Random,
) {
    loop {
        match ask().await {
            Ok(found) if !found.is_empty() => endpoints.settle(&found, &start),
            Ok(_) => endpoints.keep("the service's name has no address".to_owned()),
            Err(error) => endpoints.keep(format!("the service's name does not resolve: {error}")),
        }
        tokio::select! {
            () = time::sleep(random.jitter(PERIOD, 0.7, 1.3)) => {}
            () = endpoints.hurry.notified() => time::sleep(SHORTEST_PERIOD).await,
        }
    }
}
