//! One address of a service, kept connected.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{self, Instant},
};
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Endpoint;

use crate::{link::Link, random::Random};

/// The pause before an address that failed is tried again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// After a connection that ends sooner there is a pause too: something accepts, and has no server
/// behind it.
const SHORTEST_LIFE: Duration = Duration::from_millis(500);

/// How long an address that gave no proper answer is left to others.
const ASIDE: Duration = Duration::from_secs(1);

/// An address, and the task that keeps it connected until this is dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    connection: Arc<Connection>,
    _connector: AbortOnDropHandle<()>,
}

struct Connection {
    state: Mutex<State>,
    at_work: AtomicUsize,
    hurry: Notify,
}

struct State {
    phase: Phase,
    failures: u64,
    aside_until: Option<Instant>,
}

enum Phase {
    Opening,
    Up(Link),
    Down(String),
}

impl Backend {
    pub(crate) fn start(
        address: SocketAddr,
        endpoint: Endpoint,
        random: Random,
        changed: watch::Sender<()>,
    ) -> Arc<Self> {
        let state = State { phase: Phase::Opening, failures: 0, aside_until: None };
        let connection = Arc::new(Connection {
            state: Mutex::new(state),
            at_work: AtomicUsize::new(0),
            hurry: Notify::new(),
        });
        let connector =
            Connector { address, endpoint, random, changed, connection: Arc::clone(&connection) };
        let connector = AbortOnDropHandle::new(tokio::spawn(connector.run()));
        Arc::new(Self { address, connection, _connector: connector })
    }

    /// The connection, if there is one that takes calls.
    pub(crate) fn link(&self) -> Option<Link> {
        match &self.connection.state().phase {
            Phase::Up(link) if !link.ended.is_cancelled() => Some(link.clone()),
            _ => None,
        }
    }

    /// How often it could not be reached so far.
    pub(crate) fn failures(&self) -> u64 {
        self.connection.state().failures
    }

    /// Why it cannot be reached, if it was tried in vain since it had failed that often.
    pub(crate) fn failed_since(&self, failures: u64) -> Option<String> {
        let state = self.connection.state();
        match &state.phase {
            Phase::Down(why) if state.failures > failures => Some(why.clone()),
            _ => None,
        }
    }

    /// Ends the pause before the next try.
    pub(crate) fn hurry(&self) {
        self.connection.hurry.notify_one();
    }

    /// Whether calls should rather go elsewhere for now.
    pub(crate) fn is_aside(&self) -> bool {
        self.connection.state().aside_until.is_some_and(|until| Instant::now() < until)
    }

    /// Calls sent there whose answer has not begun.
    pub(crate) fn at_work(&self) -> usize {
        self.connection.at_work.load(Ordering::Relaxed)
    }

    /// Counts a call as at work until it is dropped.
    pub(crate) fn begin(&self) -> AtWork {
        self.connection.at_work.fetch_add(1, Ordering::Relaxed);
        AtWork { connection: Arc::clone(&self.connection), is_answered: false }
    }
}

/// A call at work.
pub(crate) struct AtWork {
    connection: Arc<Connection>,
    is_answered: bool,
}

impl AtWork {
    /// Ends it well. Otherwise, and also if the caller had no more patience, the address is left to
    /// others for a while: one that hangs would look idle, and draw calls.
    pub(crate) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.connection.at_work.fetch_sub(1, Ordering::Relaxed);
        if !self.is_answered {
            self.connection.state().aside_until = Some(Instant::now() + ASIDE);
        }
    }
}

impl Connection {
    /// Nothing in here panics while it holds the lock, so a poisoned one is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Connector {
    address: SocketAddr,
    endpoint: Endpoint,
    random: Random,
    changed: watch::Sender<()>,
    connection: Arc<Connection>,
}

impl Connector {
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let life = match Link::open(&self.endpoint, self.address).await {
                Ok(link) => self.hold(link).await,
                Err(why) => {
                    if pause == FIRST_PAUSE {
                        tracing::info!(peer = %self.address, "{why}");
                    }
                    self.turn(Phase::Down(why));
                    Duration::ZERO
                }
            };
            if life >= SHORTEST_LIFE {
                pause = FIRST_PAUSE;
                continue;
            }
            let pausing = time::sleep(self.random.jitter(pause, 0.5, 1.0));
            tokio::select! {
                () = pausing => {}
                () = self.connection.hurry.notified() => {}
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Waits until the connection ends, and returns for how long it lived.
    async fn hold(&self, link: Link) -> Duration {
        let (ended, began) = (link.ended.clone(), Instant::now());
        tracing::debug!(peer = %self.address, "connected to {}", self.address);
        self.turn(Phase::Up(link));
        ended.cancelled().await;
        self.turn(Phase::Opening);
        began.elapsed()
    }

    fn turn(&self, phase: Phase) {
        let mut state = self.connection.state();
        state.failures += u64::from(matches!(phase, Phase::Down(_)));
        state.phase = phase;
        drop(state);
        self.changed.send_replace(());
    }
}
