//! Tries calls again that may be repeated.

use std::time::Duration;

use kit_service::Env;
use oxcart_proto::error;
use oxcart_types::Backoff;
use tokio::time;
use tonic::Status;

use crate::{channel::MARGIN, deadline};

const TRIES: u32 = 3;

/// A server that wants its callers to stay away for longer is not tried again.
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(5);

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(200));

/// Tries an idempotent call up to 3 times, if the service or a transport says that another try may
/// help and the current call's deadline leaves time for it. Between tries it waits as long as the
/// service asks, or a backoff with full jitter if that is longer.
///
/// Futures that move between threads: the bounds say what the compiler cannot find out about an async
/// closure.
///
/// # Errors
/// The status of the last try.
pub async fn retry<T, F>(env: &Env, mut call: impl FnMut() -> F + Send) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>> + Send,
{
    for failures in 1..TRIES {
        let status = match call().await {
            Err(status) if error::is_transient(&status) => status,
            done => return done,
        };
        let backoff = env.jitter(BACKOFF.bound(failures), 0.0, 1.0);
        let asked = error::retry_delay(&status).unwrap_or_default();
        let wait = asked.max(backoff);
        let is_too_long = deadline::remaining().is_some_and(|left| left <= wait + MARGIN);
        if asked > LONGEST_RETRY_DELAY || is_too_long {
            return Err(status);
        }
        tracing::debug!(code = ?status.code(), wait_ms = wait.as_millis(), "trying again");
        time::sleep(wait).await;
    }
    call().await
}

#[cfg(test)]
mod tests {
    use ::time::OffsetDateTime;
    use oxcart_proto::{Reason, Refusal};

    use super::*;

    async fn tries(reason: Reason, retry_after: Duration, left: Duration) -> u32 {
        let env = Env::seeded(1, OffsetDateTime::UNIX_EPOCH);
        let mut tries = 0;
        let call = || {
            tries += 1;
            let refusal = Refusal::new(reason, "no").retry_after(retry_after);
            async move { Err::<(), Status>(refusal.into()) }
        };
        deadline::within(left, retry(&env, call)).await.unwrap_err();
        tries
    }

    #[tokio::test]
    async fn only_what_may_pass_is_tried_again_and_only_while_there_is_time() {
        let minute = Duration::from_mins(1);
        assert_eq!(tries(Reason::Unavailable, Duration::ZERO, minute).await, TRIES);
        assert_eq!(tries(Reason::CartStale, Duration::ZERO, minute).await, 1);
        assert_eq!(tries(Reason::Unavailable, minute * 2, minute).await, 1);
    }
}
