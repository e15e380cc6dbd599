//! What every call passes through, over real sockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use kit_rpc::{
    channel, deadline,
    server::{ServerArgs, shutdown_signal},
};
use kit_testing::echo::{BOUND, Client, Echo, Running, serve, serve_echo, server_with};
use oxcart_proto::{
    Reason,
    error::{info, retry_delay},
};
use tokio::{
    sync::{Notify, mpsc},
    time,
};
use tonic::{Code, Request, Status, server::NamedService as _, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// A handler that says that it began, waits for `go`, and says that it ended.
fn slow(go: &Arc<Notify>) -> (Echo, mpsc::UnboundedReceiver<&'static str>) {
    let (said, heard) = mpsc::unbounded_channel();
    let go = Arc::clone(go);
    let echo = Echo::new(move |request| {
        let (go, said) = (Arc::clone(&go), said.clone());
        async move {
            if request.get_ref() == "quick" {
                return Ok("done".to_owned());
            }
            said.send("began").ok();
            go.notified().await;
            said.send("ended").ok();
            Ok("done".to_owned())
        }
    });
    (echo, heard)
}

async fn next<T>(heard: &mut mpsc::UnboundedReceiver<T>) -> T {
    time::timeout(BOUND, heard.recv()).await.unwrap().unwrap()
}

fn reason(status: &Status) -> Option<Reason> {
    info(status).map(|info| info.reason)
}

#[tokio::test]
async fn a_call_that_states_no_deadline_gets_the_default_one() {
    let args = ServerArgs { default_deadline_ms: 50, ..ServerArgs::default() };
    let (echo, _heard) = slow(&Arc::default());
    let server = serve(server_with(&args, echo)).await;
    // A plain channel, which states no deadline and keeps none.
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = format!("/{}/Unary", Echo::NAME).parse().unwrap();
    let codec = tonic_prost::ProstCodec::<String, String>::default();
    let refused = grpc.unary(Request::new(String::new()), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&refused), Some(Reason::DeadlineExceeded));
}

#[tokio::test]
async fn no_call_may_take_longer_than_the_longest_deadline() {
    let args = ServerArgs { longest_deadline_ms: 50, ..ServerArgs::default() };
    let (echo, _heard) = slow(&Arc::default());
    let server = serve(server_with(&args, echo)).await;
    let mut request = Request::new(String::new());
    request.set_timeout(Duration::from_hours(1));
    let refused = server.client().send(request).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::DeadlineExceeded));
    assert!(refused.message().contains("50 ms"), "{refused}");
}

#[tokio::test]
async fn the_callers_deadline_is_answered_with_our_reason() {
    let (echo, _heard) = slow(&Arc::default());
    let server = serve_echo(echo).await;
    let mut request = Request::new(String::new());
    request.set_timeout(Duration::from_millis(60));
    let refused = server.client().send(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&refused), Some(Reason::DeadlineExceeded));
}

#[tokio::test]
async fn what_is_left_of_the_time_goes_on_to_the_next_hop_less_a_margin() {
    let micros_left = |_| async { Ok(deadline::remaining().unwrap().as_micros().to_string()) };
    let inner = serve_echo(Echo::new(micros_left)).await;
    let client = inner.client();
    let outer = serve_echo(Echo::new(move |_| {
        let client = client.clone();
        async move {
            let before = deadline::remaining().unwrap().as_micros();
            Ok(format!("{before} {}", client.say("").await?))
        }
    }))
    .await;
    let mut request = Request::new(String::new());
    request.set_timeout(Duration::from_secs(5));
    let answer = outer.client().send(request).await.unwrap();
    let (outer_micros, inner_micros) = answer.split_once(' ').unwrap();
    let (outer_micros, inner_micros): (u64, u64) =
        (outer_micros.parse().unwrap(), inner_micros.parse().unwrap());
    assert!(outer_micros <= 5_000_000);
    assert!(inner_micros + 20_000 <= outer_micros, "{inner_micros} of {outer_micros}");
}

#[tokio::test]
async fn a_call_without_time_left_is_not_made() {
    let server = serve_echo(Echo::new(|_| async { Ok("made".to_owned()) })).await;
    let client = server.client();
    let refused = deadline::within(Duration::ZERO, client.say("")).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::DeadlineExceeded));
}

#[tokio::test]
async fn a_handler_runs_to_its_end_when_the_client_hangs_up() {
    let go = Arc::default();
    let (echo, mut heard) = slow(&go);
    let server = serve_echo(echo).await;
    let client = server.client();
    let call = tokio::spawn(async move { client.say("slow").await });
    assert_eq!(next(&mut heard).await, "began");
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    go.notify_one();
    assert_eq!(next(&mut heard).await, "ended");
}

#[tokio::test]
async fn a_handler_runs_to_its_end_when_its_time_is_over() {
    let go = Arc::default();
    let (echo, mut heard) = slow(&go);
    let args = ServerArgs { longest_deadline_ms: 30, ..ServerArgs::default() };
    let server = serve(server_with(&args, echo)).await;
    let refused = server.client().say("slow").await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::DeadlineExceeded));
    assert_eq!(next(&mut heard).await, "began");
    go.notify_one();
    assert_eq!(next(&mut heard).await, "ended");
}

#[tokio::test]
async fn a_panic_is_one_callers_error_and_the_server_goes_on() {
    let server = serve_echo(Echo::new(|request: Request<String>| async move {
        assert_ne!(request.get_ref(), "panic", "as asked");
        Ok("fine".to_owned())
    }))
    .await;
    let client = server.client();
    let refused = client.say("panic").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::Internal, Some(Reason::Internal)));
    assert!(!refused.message().contains("as asked"), "{refused}");
    assert_eq!(client.say("").await.unwrap(), "fine");
}

#[tokio::test]
async fn a_call_over_the_limit_is_shed_at_once_and_a_place_is_free_only_when_the_work_ends() {
    let go = Arc::default();
    let (echo, mut heard) = slow(&go);
    let args = ServerArgs { max_in_flight: 1, ..ServerArgs::default() };
    let server = serve(server_with(&args, echo)).await;
    let client = server.client();
    let first = client.clone();
    let first = tokio::spawn(async move { first.say("slow").await });
    assert_eq!(next(&mut heard).await, "began");
    let refused = client.say("quick").await.unwrap_err();
    let shed = (Code::ResourceExhausted, Some(Reason::Overloaded));
    assert_eq!((refused.code(), reason(&refused)), shed);
    assert!(retry_delay(&refused).is_some());
    // The client of the first call is gone, its work is not.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(reason(&client.say("quick").await.unwrap_err()), shed.1);
    // Health is answered all the same.
    assert!(is_serving(&server).await);
    go.notify_one();
    assert_eq!(next(&mut heard).await, "ended");
    until(async || client.say("quick").await.is_ok()).await;
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(BOUND, waiting).await.unwrap();
}

/// Whether health says so of the whole server and of its service.
async fn is_serving(server: &Running) -> bool {
    let mut client = HealthClient::new(server.client().0);
    for service in [String::new(), Echo::NAME.to_owned()] {
        let answer = client.check(HealthCheckRequest { service }).await.unwrap().into_inner();
        if answer.status() != ServingStatus::Serving {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn health_follows_the_services_own_readiness() {
    let is_ready = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_ready);
    let echo = Echo::new(|_| async { Ok(String::new()) });
    let server = server_with(&ServerArgs::default(), echo).ready_when(move || {
        let asked = Arc::clone(&asked);
        async move { asked.load(Ordering::SeqCst) }
    });
    let server = serve(server).await;
    assert!(!is_serving(&server).await);
    is_ready.store(true, Ordering::SeqCst);
    until(async || is_serving(&server).await).await;
}

#[tokio::test]
async fn reflection_lists_what_is_served_and_nothing_else_in_both_versions() {
    let server = serve_echo(Echo::new(|_| async { Ok(String::new()) })).await;
    let expected = ["grpc.health.v1.Health", Echo::NAME];
    macro_rules! listed {
        ($version:ident) => {{
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::ListServices(String::new())),
            };
            let mut client = ServerReflectionClient::new(server.client().0);
            let answers = client.server_reflection_info(stream::iter([request])).await.unwrap();
            let answer = answers.into_inner().next().await.unwrap().unwrap();
            let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
                panic!("{answer:?}")
            };
            let mut names: Vec<_> = list.service.into_iter().map(|found| found.name).collect();
            names.sort();
            names.retain(|name| !name.starts_with("grpc.reflection."));
            names
        }};
    }
    assert_eq!(listed!(v1), expected);
    assert_eq!(listed!(v1alpha), expected);
}

#[tokio::test]
async fn a_request_that_does_not_decode_is_the_callers_mistake() {
    let server =
        serve_echo(Echo::new(|request: Request<String>| async move { Ok(request.into_inner()) }))
            .await;
    let client = server.client();
    let not_utf8 = client.send(Request::new(b"\xff\xfe".to_vec())).await.unwrap_err();
    assert_eq!(
        (not_utf8.code(), reason(&not_utf8)),
        (Code::InvalidArgument, Some(Reason::FieldInvalid))
    );
    let another_type = client.send(Request::new(7_u64)).await.unwrap_err();
    assert_eq!(reason(&another_type), Some(Reason::FieldInvalid));
    let huge = client.say(&"x".repeat(5 * 1024 * 1024)).await.unwrap_err();
    assert_eq!((huge.code(), reason(&huge)), (Code::InvalidArgument, Some(Reason::FieldInvalid)));
    assert!(huge.message().contains("4194304 bytes"), "{huge}");
    assert_eq!(client.say("fine").await.unwrap(), "fine");
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let server = serve_echo(Echo::new(|_| async { Ok(String::new()) })).await;
    let mut grpc = tonic::client::Grpc::new(server.client().0);
    grpc.ready().await.unwrap();
    let path = "/oxcart.nothing.v1.NothingService/Do".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<String, String>::default();
    let refused = grpc.unary(Request::new(String::new()), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn shutdown_lets_a_call_at_work_finish_and_takes_no_more() {
    // At once, and after the time of a lame duck.
    for lame_duck_seconds in [0, 1] {
        let go = Arc::default();
        let (echo, mut heard) = slow(&go);
        let args = ServerArgs { lame_duck_seconds, ..ServerArgs::default() };
        let server = serve(server_with(&args, echo)).await;
        let client = server.client();
        let call = tokio::spawn(async move { client.say("slow").await });
        assert_eq!(next(&mut heard).await, "began");
        server.shutdown.cancel();
        let late = Client(channel::connect(&server.url).unwrap());
        until(async || late.say("quick").await.is_err()).await;
        go.notify_one();
        assert_eq!(call.await.unwrap().unwrap(), "done");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_lame_duck_says_that_it_is_not_ready_and_takes_calls_all_the_same() {
    let echo = Echo::new(|_| async { Ok("done".to_owned()) });
    let args = ServerArgs { lame_duck_seconds: 600, ..ServerArgs::default() };
    let server = serve(server_with(&args, echo)).await;
    until(async || is_serving(&server).await).await;
    server.shutdown.cancel();
    until(async || !is_serving(&server).await).await;
    let newcomer = Client(channel::connect(&server.url).unwrap());
    assert_eq!(newcomer.say("").await.unwrap(), "done");
    assert!(!is_serving(&server).await);
    assert!(!server.server.is_finished());
}

#[tokio::test]
async fn shutdown_waits_for_work_whose_client_is_gone() {
    let go = Arc::default();
    let (echo, mut heard) = slow(&go);
    let mut server = serve_echo(echo).await;
    let client = server.client();
    let call = tokio::spawn(async move { client.say("slow").await });
    assert_eq!(next(&mut heard).await, "began");
    call.abort();
    server.shutdown.cancel();
    assert!(time::timeout(Duration::from_millis(100), &mut server.server).await.is_err());
    go.notify_one();
    server.stop().await;
    assert_eq!(next(&mut heard).await, "ended");
}

#[tokio::test]
async fn the_drain_is_bounded() {
    let (echo, mut heard) = slow(&Arc::default());
    let args = ServerArgs { drain_seconds: 0, ..ServerArgs::default() };
    let server = serve(server_with(&args, echo)).await;
    let client = server.client();
    let _call = tokio::spawn(async move { client.say("slow").await });
    assert_eq!(next(&mut heard).await, "began");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_goes_on_after_its_handler_returned_and_ends_at_shutdown() {
    let echo = Echo::new(|_| async { Ok(String::new()) }).streaming(|request| {
        let shutdown = shutdown_signal(request);
        let endless = stream::iter(["one", "two"])
            .map(|text| Ok(text.to_owned()))
            .chain(stream::pending())
            .take_until(shutdown.cancelled_owned());
        endless.boxed()
    });
    let server = serve_echo(echo).await;
    let mut answers = server.client().watch().await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap(), "one");
    assert_eq!(answers.message().await.unwrap().unwrap(), "two");
    server.shutdown.cancel();
    assert_eq!(time::timeout(BOUND, answers.message()).await.unwrap().unwrap(), None);
    server.stop().await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_those_who_watch_health() {
    let server = serve_echo(Echo::new(|_| async { Ok(String::new()) })).await;
    let mut client = HealthClient::new(server.client().0);
    let request = HealthCheckRequest { service: String::new() };
    let mut states = client.watch(request).await.unwrap().into_inner();
    assert!(states.message().await.unwrap().is_some());
    server.shutdown.cancel();
    while time::timeout(BOUND, states.message()).await.unwrap().unwrap().is_some() {}
    server.stop().await;
}
