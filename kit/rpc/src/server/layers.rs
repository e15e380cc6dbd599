//! What every call passes through, from the outside in: trace and log; deadline and completion; the
//! limit of calls at work; authentication.

mod body;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use kit_balance::timeout;
use kit_service::Env;
use oxcart_proto::{Reason, Refusal};
use tokio::{sync::Semaphore, task::JoinError, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::Status;
use tracing::Instrument as _;

use super::{ServerArgs, normalize};
use crate::{
    auth::{Authenticator, SERVICE_AUTHORIZATION},
    deadline,
    metrics::{SERVER_IN_FLIGHT, SERVER_SHED},
};

/// We answer this much before the caller's time is over: tonic's own timer would answer with
/// CANCELLED, and says nothing about why.
const EARLY: Duration = Duration::from_millis(2);

/// When to try again after being shed, give or take a half, so that not all come back at once.
const SHED_RETRY_AFTER: Duration = Duration::from_millis(200);

/// Is cancelled when the server begins to drain. Found in the extensions of every request.
#[derive(Clone)]
pub(super) struct Shutdown(pub(super) CancellationToken);

/// What [`run_to_completion`] knows.
#[derive(Clone)]
pub(super) struct Completion {
    pub(super) tracker: TaskTracker,
    pub(super) shutdown: Shutdown,
    default_deadline: Duration,
    longest_deadline: Duration,
    max_message_bytes: usize,
}

impl Completion {
    pub(super) fn new(args: &ServerArgs, drain: CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            shutdown: Shutdown(drain),
            default_deadline: args.default_deadline(),
            longest_deadline: args.longest_deadline(),
            max_message_bytes: args.max_message_bytes,
        }
    }
}

/// Runs the rest in a task of its own, so that a client that hangs up, or a deadline, never drops a
/// handler between two statements; only the waiting for it ends, and the request that it may still be
/// reading. A panic ends that task alone.
pub(super) async fn run_to_completion(
    State(completion): State<Completion>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = timeout::read(request.headers()).unwrap_or(completion.default_deadline);
    let limit = asked.min(completion.longest_deadline);
    request.extensions_mut().insert(completion.shutdown.clone());
    let request = request.map(|body| body::timed(body, limit));
    let max_message_bytes = completion.max_message_bytes;
    let work = async move {
        let response = next.run(request).await;
        normalize::normalize_errors(max_message_bytes, response)
    };
    let task = completion.tracker.spawn(deadline::within(limit, work).in_current_span());
    match time::timeout(limit.saturating_sub(EARLY), task).await {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => answer(fault(&failure)),
        Err(_) => {
            let message = format!("the call took longer than {} ms", limit.as_millis());
            answer(Refusal::new(Reason::DeadlineExceeded, message).into())
        }
    }
}

/// The panic itself is reported by the panic hook, with its place.
fn fault(failure: &JoinError) -> Status {
    if failure.is_panic() {
        tracing::error!("a handler panicked");
    }
    Refusal::new(Reason::Internal, "the call could not be completed").into()
}

/// What [`limit_in_flight`] knows.
#[derive(Clone)]
pub(super) struct ConcurrencyLimit {
    server: &'static str,
    free: Arc<Semaphore>,
    env: Env,
}

impl ConcurrencyLimit {
    pub(super) fn new(server: &'static str, args: &ServerArgs, env: Env) -> Self {
        let count = usize::try_from(args.max_in_flight).unwrap_or(Semaphore::MAX_PERMITS);
        // Shown as 0, so that the first call that is shed is seen as a change.
        SERVER_SHED.add(0, [server]);
        Self { server, free: Arc::new(Semaphore::new(count)), env }
    }
}

/// Sheds a call before any work is done if as many as allowed are at work. Nothing queues: a caller
/// that is told so at once can go elsewhere.
pub(super) async fn limit_in_flight(
    State(limit): State<ConcurrencyLimit>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_permit) = limit.free.try_acquire() else {
        SERVER_SHED.add(1, [limit.server]);
        let refusal = Refusal::new(Reason::Overloaded, "too many calls are at work");
        let retry_after = limit.env.jitter(SHED_RETRY_AFTER, 0.5, 1.5);
        return answer(refusal.retry_after(retry_after).into());
    };
    let _at_work = SERVER_IN_FLIGHT.enter([limit.server]);
    next.run(request).await
}

/// Puts the [`Caller`](crate::auth::Caller) into the request, or refuses a token that is not good.
pub(super) async fn authenticate(
    State(authenticator): State<Option<Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    for name in [&http::header::AUTHORIZATION, &SERVICE_AUTHORIZATION] {
        if let Some(value) = request.headers_mut().get_mut(name) {
            value.set_sensitive(true);
        }
    }
    if let Some(authenticator) = authenticator {
        match authenticator.authenticate(request.headers()).await {
            Ok(caller) => request.extensions_mut().insert(caller),
            Err(status) => return answer(status),
        };
    }
    next.run(request).await
}

fn answer(status: Status) -> Response {
    status.into_http()
}
