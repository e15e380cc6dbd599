//! What a caller sees of other services, over real sockets.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Bytes;
use futures_util::future::join_all;
use http::Response;
use kit_rpc::{
    channel::{connect, connect_by},
    deadline, retry,
    server::ServerArgs,
};
use kit_service::Env;
use kit_testing::echo::{BOUND, Client, Echo, Running, serve, serve_echo, server_with};
use oxcart_proto::{Reason, Refusal};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

fn env() -> Env {
    Env::seeded(1, ::time::OffsetDateTime::UNIX_EPOCH)
}

async fn tries(status: impl Fn() -> Status + Send + Sync) -> usize {
    let mut count = 0;
    let env = env();
    let ended = retry(&env, || {
        count += 1;
        let status = status();
        async { Err::<(), _>(status) }
    });
    assert_eq!(ended.await.unwrap_err().code(), status().code());
    count
}

#[tokio::test]
async fn only_what_may_pass_is_tried_again() {
    assert_eq!(tries(|| Status::unavailable("tcp connect error")).await, 3);
    assert_eq!(tries(|| Refusal::new(Reason::Unavailable, "").into()).await, 3);
    assert_eq!(tries(|| Refusal::new(Reason::CartNotFound, "").into()).await, 1);
    assert_eq!(tries(|| Refusal::new(Reason::DeadlineExceeded, "").into()).await, 1);
}

#[tokio::test]
async fn no_pause_outlasts_the_current_call() {
    let shed = |after: Duration| {
        tries(move || Refusal::new(Reason::Overloaded, "").retry_after(after).into())
    };
    let second = Duration::from_secs(1);
    assert_eq!(deadline::within(second, shed(2 * second)).await, 1);
    assert_eq!(shed(Duration::from_millis(10)).await, 3);
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is() {
    let later = Duration::from_mins(1);
    assert_eq!(tries(|| Refusal::new(Reason::Overloaded, "").retry_after(later).into()).await, 1);
}

/// A server whose answer is its own name.
async fn named(name: &'static str) -> Running {
    serve_echo(Echo::new(move |_| async move { Ok(name.to_owned()) })).await
}

fn address(server: &Running) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().unwrap()
}

/// What the name of the service resolves to; none fails.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<SocketAddr>>>, Arc<AtomicUsize>);

impl Names {
    fn of(servers: &[&Running]) -> Self {
        let names = Self::default();
        names.set(servers);
        names
    }

    fn set(&self, servers: &[&Running]) {
        *self.0.lock().unwrap() = servers.iter().map(|server| address(server)).collect();
    }

    fn client(&self) -> Client {
        let names = self.clone();
        let resolve = move || {
            names.1.fetch_add(1, Ordering::SeqCst);
            let found = names.0.lock().unwrap().clone();
            async move {
                if found.is_empty() { Err(io::Error::other("no such name")) } else { Ok(found) }
            }
        };
        Client(connect_by("http://echo", resolve).unwrap())
    }
}

async fn tally(client: &Client, calls: usize) -> HashMap<String, usize> {
    let mut tally = HashMap::new();
    for _ in 0..calls {
        *tally.entry(client.say("").await.unwrap()).or_default() += 1;
    }
    tally
}

/// Calls until the answers come from exactly these.
async fn until_answers_come_from(client: &Client, names: &[&str]) {
    let wanted: HashSet<String> = names.iter().map(ToString::to_string).collect();
    let coming = async {
        loop {
            let mut came = HashSet::new();
            for _ in 0..40 {
                came.extend(client.say("").await);
            }
            if came == wanted {
                return;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(BOUND, coming).await.unwrap();
}

#[tokio::test]
async fn calls_are_spread_over_all_addresses() {
    let (a, b, c) = (named("a").await, named("b").await, named("c").await);
    let client = Names::of(&[&a, &b, &c]).client();
    until_answers_come_from(&client, &["a", "b", "c"]).await;
    let tally = tally(&client, 600).await;
    assert!(tally.len() == 3 && tally.values().all(|count| *count > 120), "{tally:?}");
}

#[tokio::test]
async fn a_busy_address_gets_fewer_calls() {
    let stuck = serve_echo(Echo::new(|request| async move {
        if request.get_ref() == "hang" {
            std::future::pending::<()>().await;
        }
        Ok("stuck".to_owned())
    }));
    let (stuck, free) = (stuck.await, named("free").await);
    let client = Names::of(&[&stuck, &free]).client();
    until_answers_come_from(&client, &["stuck", "free"]).await;
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        calls.spawn(async move { client.say("hang").await });
        // Each is on its way before the next.
        tokio::task::yield_now().await;
    }
    time::timeout(BOUND, calls.join_next()).await.unwrap().unwrap().unwrap().unwrap();
    assert_eq!(tally(&client, 50).await["free"], 50);
}

#[tokio::test]
async fn a_new_address_gets_calls_and_one_that_is_gone_gets_none() {
    let (a, b) = (named("a").await, named("b").await);
    let names = Names::of(&[&a]);
    let client = names.client();
    assert_eq!(tally(&client, 20).await["a"], 20);
    names.set(&[&a, &b]);
    until_answers_come_from(&client, &["a", "b"]).await;
    names.set(&[&b]);
    until_answers_come_from(&client, &["b"]).await;
}

#[tokio::test]
async fn a_name_that_no_longer_resolves_keeps_its_addresses() {
    let a = named("a").await;
    let names = Names::of(&[&a]);
    let client = names.client();
    client.say("").await.unwrap();
    names.set(&[]);
    let asked = names.1.load(Ordering::SeqCst);
    let twice_more = async {
        while names.1.load(Ordering::SeqCst) < asked + 2 {
            client.say("").await.unwrap();
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(BOUND, twice_more).await.unwrap();
    assert_eq!(client.say("").await.unwrap(), "a");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_at_once_and_asked_again_by_the_next_call() {
    let names = Names::default();
    let client = names.client();
    let refused = client.say("").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(refused.message().contains("no such name"), "{refused}");
    let a = named("a").await;
    names.set(&[&a]);
    assert_eq!(client.say("").await.unwrap(), "a");
}

#[tokio::test]
async fn an_address_where_nobody_listens_costs_no_call() {
    let (a, dead) = (named("a").await, named("dead").await);
    let client = Names::of(&[&dead, &a]).client();
    dead.stop().await;
    assert_eq!(tally(&client, 100).await["a"], 100);
}

#[tokio::test]
async fn one_address_is_refused_at_once_and_found_again_by_the_next_call() {
    let a = named("a").await;
    let (client, address) = (a.client(), address(&a));
    client.say("").await.unwrap();
    a.stop().await;
    for _ in 0..5 {
        let refused = client.say("").await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unavailable);
        assert!(refused.message().contains(&address.to_string()), "{refused}");
    }
    let echo = Echo::new(|_| async { Ok("again".to_owned()) });
    let server = server_with(&ServerArgs::default(), echo);
    let listener = TcpListener::bind(address).await.unwrap();
    let again = tokio::spawn(server.serve(listener, CancellationToken::new()));
    assert_eq!(client.say("").await.unwrap(), "again");
    again.abort();
}

/// A server that can be killed: its sockets are closed in the middle of whatever it does.
struct Killable {
    address: SocketAddr,
    runtime: Runtime,
}

impl Killable {
    async fn start(name: &'static str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.spawn(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.await.unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        let echo = Echo::new(move |_| async move { Ok(name.to_owned()) });
        let server = server_with(&ServerArgs::default(), echo);
        runtime.spawn(server.serve(listener, CancellationToken::new()));
        Self { address, runtime }
    }

    fn kill(self) {
        self.runtime.shutdown_background();
    }
}

/// Eight callers until `done`; how many calls they made, and what failed.
async fn load(client: &Client, done: &AtomicBool, is_retried: bool) -> (usize, Vec<Status>) {
    let env = Env::system();
    let callers = (0..8).map(async |_| {
        let (mut count, mut failed) = (0, Vec::new());
        while !done.load(Ordering::SeqCst) {
            let answer = if is_retried {
                retry(&env, async || client.say("").await).await
            } else {
                client.say("").await
            };
            failed.extend(answer.err());
            count += 1;
        }
        (count, failed)
    });
    let ended = join_all(callers).await;
    let count = ended.iter().map(|(count, _)| count).sum();
    (count, ended.into_iter().flat_map(|(_, failed)| failed).collect())
}

/// Does `during` under load, of which nothing may fail.
async fn under_load(client: &Client, is_retried: bool, during: impl Future<Output = ()>) {
    let done = AtomicBool::new(false);
    let ending = async {
        until_answers_come_from(client, &["a", "b", "c"]).await;
        during.await;
        done.store(true, Ordering::SeqCst);
    };
    let ((count, failed), ()) = tokio::join!(load(client, &done, is_retried), ending);
    assert!(count > 100, "{count}");
    assert!(failed.is_empty(), "{} of {count}: {:?}", failed.len(), failed[0]);
}

#[tokio::test]
async fn no_call_fails_when_a_replica_stops_in_good_order() {
    let (a, b, c) = (named("a").await, named("b").await, named("c").await);
    let client = Names::of(&[&a, &b, &c]).client();
    under_load(&client, false, async {
        b.stop().await;
        until_answers_come_from(&client, &["a", "c"]).await;
    })
    .await;
}

#[tokio::test]
async fn no_repeated_call_fails_when_a_replica_is_killed() {
    let (a, b, c) = (named("a").await, Killable::start("b").await, named("c").await);
    let names = Names::of(&[&a, &c]);
    names.0.lock().unwrap().push(b.address);
    let client = names.client();
    under_load(&client, true, async {
        b.kill();
        until_answers_come_from(&client, &["a", "c"]).await;
    })
    .await;
}

#[tokio::test]
async fn no_call_fails_when_connections_grow_old() {
    let args = ServerArgs { max_connection_age_seconds: 1, ..ServerArgs::default() };
    let connections = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&connections);
    let echo = Echo::new(move |request| {
        seen.lock().unwrap().insert(request.remote_addr());
        async { Ok(String::new()) }
    });
    let server = serve(server_with(&args, echo)).await;
    let client = server.client();
    let done = AtomicBool::new(false);
    let ending = async {
        while connections.lock().unwrap().len() < 4 {
            time::sleep(Duration::from_millis(20)).await;
        }
        done.store(true, Ordering::SeqCst);
    };
    let both = async { tokio::join!(load(&client, &done, false), ending) };
    let ((count, failed), ()) = time::timeout(BOUND, both).await.unwrap();
    assert!(failed.is_empty(), "{} of {count}: {:?}", failed.len(), failed[0]);
}

/// A server that resets the first call with `reason`, and echoes the others. Counts them.
async fn resetting(reason: h2::Reason) -> (Client, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = Client(connect(&format!("http://{}", listener.local_addr().unwrap())).unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    if seen.fetch_add(1, Ordering::SeqCst) == 0 {
                        respond.send_reset(reason);
                    } else {
                        tokio::spawn(echo(request.into_body(), respond));
                    }
                }
            });
        }
    });
    (client, count)
}

async fn echo(mut body: h2::RecvStream, mut respond: h2::server::SendResponse<Bytes>) {
    let mut said = Vec::new();
    while let Some(data) = body.data().await {
        said.extend_from_slice(&data.unwrap());
    }
    let response = Response::builder().header("content-type", "application/grpc");
    let mut sending = respond.send_response(response.body(()).unwrap(), false).unwrap();
    sending.send_data(said.into(), false).unwrap();
    let trailers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static("0"),
    )]);
    sending.send_trailers(trailers).unwrap();
}

#[tokio::test]
async fn a_call_that_the_server_refused_to_look_at_is_made_again() {
    let (client, count) = resetting(h2::Reason::REFUSED_STREAM).await;
    assert_eq!(client.say("all of it").await.unwrap(), "all of it");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_call_that_a_server_may_have_begun_is_not_made_again() {
    let (client, count) = resetting(h2::Reason::INTERNAL_ERROR).await;
    client.say("once").await.unwrap_err();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(client.say("next").await.unwrap(), "next");
}
