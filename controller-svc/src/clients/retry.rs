//! Trying an idempotent call again.
//!
//! As `kit_rpc::retry`, for futures that move between threads: the bounds say what the
//! compiler cannot find out about an async closure.

use std::time::Duration;

use kit_rpc::deadline;
use kit_service::Env;
use oxcart_proto::error;
use tonic::Status;

const TRIES: u32 = 3;
/// The longest pause before the first repetition; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Tries an idempotent call up to 3 times: when the service or a transport says that it may help,
/// and the current call's deadline leaves time for it.
pub async fn retry<T, F>(env: &Env, mut call: impl FnMut() -> F + Send) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>> + Send,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        let status = match call().await {
            Err(status) if error::is_transient(&status) => status,
            done => return done,
        };
        let wait = error::retry_delay(&status).unwrap_or_default().max(env.jitter(pause, 0.0, 1.0));
        if deadline::remaining().is_some_and(|left| left <= wait) {
            return Err(status);
        }
        tokio::time::sleep(wait).await;
        pause *= 2;
    }
    call().await
}

#[cfg(test)]
mod tests {
    use oxcart_proto::{Reason, Refusal};
    use time::OffsetDateTime;

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
