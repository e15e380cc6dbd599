//! One call: its deadline, its token, its tries.

use std::{future::Future, time::Duration};

use tokio::time::{self, Instant};
use tonic::{Request, Response, Status};

use crate::{
    error::{CallError, Error},
    observe::{Attempt, Observer},
    retry::{Tries, Try},
    session::{Bearer, Session},
};

/// The deadline of each try, unless the program sets another.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// How long a call is tried, unless the program sets another: outlasts a restart of the store.
pub(crate) const TIME_BUDGET: Duration = Duration::from_secs(30);

/// How long one try and all tries of a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub deadline: Duration,
    /// Zero: each call is tried once.
    pub time_budget: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: DEADLINE, time_budget: TIME_BUDGET }
    }
}

/// What makes calls: to whom, as whom, within which limits, watched by whom.
#[derive(Debug, Clone)]
pub(crate) struct Caller<S> {
    /// The generated client.
    pub stub: S,
    pub limits: Limits,
    pub observer: Observer,
    /// None for calls that need no token.
    pub session: Option<Session>,
}

impl<S: Clone> Caller<S> {
    /// The same, each call tried once.
    pub(crate) fn without_retries(mut self) -> Self {
        self.limits.time_budget = Duration::ZERO;
        self
    }

    /// Tries that begin now.
    pub(crate) fn tries(&self) -> Tries {
        Tries::new(self.limits.time_budget)
    }

    /// Makes a call that is safe to repeat, until it is answered or refused, or the time budget is
    /// used up.
    pub(crate) async fn repeat<Q: Clone, A, F>(
        &self,
        method: &'static str,
        message: Q,
        send: impl Fn(S, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.repeat_within(self.tries(), method, message, send).await
    }

    /// The same within the time budget of `tries`.
    pub(crate) async fn repeat_within<Q: Clone, A, F>(
        &self,
        mut tries: Tries,
        method: &'static str,
        message: Q,
        send: impl Fn(S, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        loop {
            match self.once(&mut tries, method, message.clone(), &send).await {
                Ok(answer) => return Ok(answer),
                Err(error) => tries.pause(error).await?,
            }
        }
    }

    /// Makes the next of `tries`. A token that is refused is replaced: the call has done nothing then,
    /// so any may be made again.
    pub(crate) async fn once<Q: Clone, A, F>(
        &self,
        tries: &mut Tries,
        method: &'static str,
        message: Q,
        send: &impl Fn(S, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let this = tries.begin(self.limits.deadline);
        let Some(session) = &self.session else {
            return Ok(self.attempt(this, method, message, None, send).await?);
        };
        let bearer = in_time(method, this, session.header()).await?;
        let error = match self.attempt(this, method, message.clone(), Some(&bearer), send).await {
            Ok(answer) => return Ok(answer),
            Err(error) if !error.is_token_refused() => return Err(error.into()),
            Err(error) => error,
        };
        match in_time(method, this, session.header_after(&bearer)).await? {
            Some(bearer) => Ok(self.attempt(this, method, message, Some(&bearer), send).await?),
            None => Err(error.into()),
        }
    }

    async fn attempt<Q, A, F>(
        &self,
        this: Try,
        method: &'static str,
        message: Q,
        bearer: Option<&Bearer>,
        send: &impl Fn(S, Request<Q>) -> F,
    ) -> Result<A, CallError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let Try { number, deadline } = this;
        let mut request = Request::new(message);
        request.set_timeout(deadline);
        if let Some(bearer) = bearer {
            bearer.apply(&mut request);
        }
        let begun_at = Instant::now();
        // tonic's own timer ends with the head of the answer.
        let outcome = match time::timeout(deadline, send(self.stub.clone(), request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(CallError::new(method, status)),
            Err(_) => Err(CallError::late(method)),
        };
        let latency = begun_at.elapsed();
        let error = outcome.as_ref().err();
        self.observer.observe(&Attempt { method, number, latency, error });
        outcome
    }
}

/// Waits no longer for a token than for an answer.
async fn in_time<T>(
    method: &'static str,
    this: Try,
    token: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let in_time = time::timeout(this.deadline, token).await;
    in_time.unwrap_or_else(|_| Err(CallError::late(method).into()))
}
