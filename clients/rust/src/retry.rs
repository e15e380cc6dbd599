//! When to try again: backoff with full jitter, until a time budget is used up.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use oxcart_types::Backoff;
use tokio::time::{self, Instant};

use crate::error::{CallError, Error};

/// The longest random pauses before further tries.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));

/// One try of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try {
    /// From 1.
    pub number: u32,
    pub deadline: Duration,
}

/// The tries of one call, which share a time budget.
#[derive(Debug)]
pub(crate) struct Tries {
    /// None: there is one try.
    end_at: Option<Instant>,
    made: u32,
}

impl Tries {
    /// Tries that begin now. With a budget of zero there is one.
    pub(crate) fn new(time_budget: Duration) -> Self {
        let end_at = (!time_budget.is_zero()).then(|| Instant::now() + time_budget);
        Self { end_at, made: 0 }
    }

    /// The tries of another call, in what is left of the budget. None where each call is tried once.
    pub(crate) fn rest(&self) -> Option<Self> {
        self.end_at.map(|end_at| Self { end_at: Some(end_at), made: 0 })
    }

    /// Begins a try, with a deadline of `deadline` or what is left of the budget.
    pub(crate) fn begin(&mut self, deadline: Duration) -> Try {
        self.made += 1;
        Try { number: self.made, deadline: self.left().map_or(deadline, |left| left.min(deadline)) }
    }

    /// Waits until the call may be repeated: as long as the store asks, and a backoff with full jitter
    /// besides, so that clients that failed together do not come back together.
    ///
    /// # Errors
    /// Gives `error` back if another try cannot help, or the budget does not last that long.
    pub(crate) async fn pause(&self, error: Error) -> Result<(), Error> {
        let asked = error.call().and_then(CallError::retry_delay).unwrap_or_default();
        let pause = pause(asked, self.made, random_share());
        if !error.is_retriable() || self.left().is_none_or(|left| left <= pause) {
            return Err(error);
        }
        time::sleep(pause).await;
        Ok(())
    }

    fn left(&self) -> Option<Duration> {
        self.end_at.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// The pause after so many failures, for a random `share` from 0 to 1.
fn pause(asked: Duration, failures: u32, share: f64) -> Duration {
    asked.saturating_add(BACKOFF.bound(failures).mul_f64(share.clamp(0.0, 1.0)))
}

/// From 0 to 1. The standard library keys its hashers at random, each one differently.
fn random_share() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 32;
    u32::try_from(bits).map_or(1.0, |bits| f64::from(bits) / f64::from(u32::MAX))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]
mod tests {
    use proptest::{prop_assert, proptest};
    use tonic::{Code, Status};

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_what_the_store_asks_and_at_most_2_s_more(
            asked in 0..10_000_u64,
            failures: u32,
            share in -1.0..=2.0_f64,
        ) {
            let asked = Duration::from_millis(asked);
            let pause = pause(asked, failures, share);
            prop_assert!(pause >= asked);
            prop_assert!(pause <= asked + BACKOFF.bound(failures));
            prop_assert!(pause <= asked + Duration::from_secs(2));
        }

        #[test]
        fn a_larger_share_is_a_longer_pause(low in 0.0..=1.0_f64, high in 0.0..=1.0_f64, failures: u32) {
            let (low, high) = if low <= high { (low, high) } else { (high, low) };
            prop_assert!(pause(Duration::ZERO, failures, low) <= pause(Duration::ZERO, failures, high));
        }
    }

    #[test]
    fn pauses_grow_from_0_2_to_2_s() {
        let longest = [1, 2, 3, 4, 5, 6].map(|n| pause(Duration::ZERO, n, 1.0).as_millis());
        assert_eq!(longest, [200, 400, 800, 1_600, 2_000, 2_000]);
    }

    #[test]
    fn shares_are_spread() {
        let shares: Vec<f64> = (0..1_000).map(|_| random_share()).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        let low = shares.iter().filter(|share| **share < 0.5).count();
        assert!((400..600).contains(&low), "{low}");
    }

    fn unavailable() -> Error {
        CallError::new("GetCart", Status::new(Code::Unavailable, "")).into()
    }

    #[tokio::test(start_paused = true)]
    async fn tries_end_within_their_budget() {
        for budget in [0, 1, 30].map(Duration::from_secs) {
            let begun = Instant::now();
            let mut tries = Tries::new(budget);
            let mut made = 0;
            loop {
                let Try { number, deadline } = tries.begin(Duration::from_secs(10));
                made += 1;
                assert_eq!(number, made);
                assert!(budget.is_zero() || deadline <= budget);
                if tries.pause(unavailable()).await.is_err() {
                    break;
                }
            }
            assert!(begun.elapsed() <= budget);
            let few = 1 + budget.as_secs() / 2;
            assert!(u64::from(made) >= few, "{made} tries in {budget:?}");
        }
    }
}
