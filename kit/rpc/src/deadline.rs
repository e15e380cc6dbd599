//! How long the current call may still take.
//!
//! The deadline travels with the task: [`within`] sets it, every outbound call reads it. A task that
//! is spawned apart has none. Deliberately absent: cancelling; who runs out of time says so, and work
//! that has begun is finished.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// What is left of the current call's time. None outside of a call, zero when it is over.
#[must_use]
pub fn remaining() -> Option<Duration> {
    let deadline = DEADLINE.try_with(|deadline| *deadline).ok()?;
    Some(deadline.saturating_duration_since(Instant::now()))
}

/// Runs `work` with `limit` as its time, or with what is left of the current call's time if that is
/// less. It is not cut off then: its outbound calls are.
pub async fn within<F: Future>(limit: Duration, work: F) -> F::Output {
    let limit = remaining().map_or(limit, |left| left.min(limit));
    DEADLINE.scope(Instant::now() + limit, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_inner_limit_shortens_and_never_lengthens() {
        assert_eq!(remaining(), None);
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        let left = |outer, inner| within(outer, within(inner, async { remaining() }));
        assert!(left(hour, minute).await.is_some_and(|left| left <= minute));
        assert!(left(minute, hour).await.is_some_and(|left| left <= minute));
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_call_that_took_too_long_and_a_task_of_its_own_has_no_limit() {
        let (left, apart) = within(Duration::ZERO, async {
            (remaining(), tokio::spawn(async { remaining() }).await.unwrap())
        })
        .await;
        assert_eq!((left, apart), (Some(Duration::ZERO), None));
    }
}
