//! A TCP proxy that can stop passing on what one side says: a network that fails at a chosen point.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything arrives.
    Fair,
    /// Requests vanish: connections stand, and nothing that is sent arrives.
    RequestsLost,
    /// Requests arrive, answers vanish.
    AnswersLost,
    /// Connections are cut, and new ones too.
    Cut,
}

/// Listens on loopback and passes on to an address that is set later.
pub struct Proxy {
    address: SocketAddr,
    upstream: Arc<watch::Sender<Option<SocketAddr>>>,
    weather: watch::Sender<Weather>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in fair weather.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Arc::new(watch::Sender::new(None));
        let weather = watch::Sender::new(Weather::Fair);
        let accepting = tokio::spawn(accept(listener, upstream.subscribe(), weather.subscribe()));
        Self { address, upstream, weather, accepting }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says where everything goes.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.upstream.send_replace(Some(upstream));
    }

    /// Changes the weather for all connections, also those that stand. What was lost stays lost, and
    /// a connection that lost something is cut when the weather clears.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    mut upstream: watch::Receiver<Option<SocketAddr>>,
    weather: watch::Receiver<Weather>,
) {
    let Ok(address) = upstream.wait_for(Option::is_some).await.map(|address| *address) else {
        return;
    };
    let Some(address) = address else { return };
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if *weather.borrow() == Weather::Cut {
            continue;
        }
        if let Ok(server) = TcpStream::connect(address).await {
            connections.spawn(relay(client, server, weather.clone()));
        }
    }
}

/// Passes on both ways until one side ends.
async fn relay(client: TcpStream, server: TcpStream, weather: watch::Receiver<Weather>) {
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    tokio::select! {
        () = pass_on(client_reads, server_writes, weather.clone(), Weather::RequestsLost) => {}
        () = pass_on(server_reads, client_writes, weather, Weather::AnswersLost) => {}
    }
}

/// Passes on from one side until it ends; in `bad` weather loses what comes, and ends when it clears.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    bad: Weather,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut has_lost = false;
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            changed = weather.changed() => {
                let now = *weather.borrow();
                if changed.is_err() || now == Weather::Cut || has_lost && now != bad {
                    return;
                }
                continue;
            }
        };
        let Ok(length @ 1..) = read else { return };
        if *weather.borrow() == bad {
            has_lost = true;
        } else if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
