//! A network in front of the test server: it counts round trips, and fails as it is told to.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What becomes of the server's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// They arrive.
    Arrive,
    /// They arrive later.
    Wait,
    /// The next one is lost, and its connection ends.
    LoseOne,
    /// Each is lost, and its connection ends.
    LoseAll,
}

/// Stands in front of a new database.
pub struct Proxy {
    pub url: String,
    trips: Arc<AtomicUsize>,
    cuts: watch::Sender<usize>,
    answers: watch::Sender<Answers>,
}

impl Proxy {
    pub async fn start() -> Self {
        let direct = kit_testing::postgres_url().await;
        let (before, after) = direct.split_once('@').unwrap();
        let (server, name) = after.split_once('/').unwrap();
        let server = tokio::net::lookup_host(server).await.unwrap().next().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = listener.local_addr().unwrap();
        let proxy = Self {
            url: format!("{before}@{front}/{name}?sslmode=disable"),
            trips: Arc::default(),
            cuts: watch::Sender::new(0),
            answers: watch::Sender::new(Answers::Arrive),
        };
        let (trips, cuts) = (Arc::clone(&proxy.trips), proxy.cuts.subscribe());
        tokio::spawn(accept(listener, server, trips, proxy.answers.clone(), cuts));
        proxy
    }

    /// Answers so far: the protocol has one `ReadyForQuery` for each.
    pub fn trips(&self) -> usize {
        self.trips.load(Ordering::SeqCst)
    }

    /// Cuts all connections there are. New ones are let in.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub fn set(&self, answers: Answers) {
        self.answers.send_replace(answers);
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    trips: Arc<AtomicUsize>,
    answers: watch::Sender<Answers>,
    cuts: watch::Receiver<usize>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(server).await.unwrap();
        client.set_nodelay(true).and(server.set_nodelay(true)).unwrap();
        let (mut from_client, to_client) = client.into_split();
        let (from_server, mut to_server) = server.into_split();
        let (trips, answers) = (Arc::clone(&trips), answers.clone());
        let mut cuts = cuts.clone();
        cuts.mark_unchanged();
        tokio::spawn(async move {
            tokio::select! {
                _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                () = answer(from_server, to_client, &trips, &answers) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

/// Passes on the server's messages: a letter, the length of itself and the rest, the rest.
async fn answer(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    trips: &AtomicUsize,
    answers: &watch::Sender<Answers>,
) {
    let mut is_let_through = answers.subscribe();
    let mut head = [0; 5];
    while from.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let mut message = head.to_vec();
        message.resize(1 + length, 0);
        from.read_exact(&mut message[5..]).await.unwrap();
        // `ReadyForQuery`: what the server was asked is done.
        let is_end = head[0] == b'Z';
        let now = *is_let_through.wait_for(|now| *now != Answers::Wait).await.unwrap();
        if now != Answers::Arrive {
            if is_end {
                let _ = answers.send_if_modified(|now| {
                    let was_one = *now == Answers::LoseOne;
                    if was_one {
                        *now = Answers::Arrive;
                    }
                    was_one
                });
                return;
            }
            continue;
        }
        if is_end {
            trips.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}
