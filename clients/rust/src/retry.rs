//! When to try again: backoff with full jitter, until a time budget is used up.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use tokio::time::{self, Instant};

use crate::error::{CallError, Error};

/// The longest random pause before the second try; each further one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest random pause before any try.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Exponential backoff with full jitter: a random share of a bound that doubles, so that clients that
/// failed together do not come back together.
#[derive(Debug, Clone)]
struct Backoff {
    bound: Duration,
}

impl Backoff {
    const fn new() -> Self {
        Self { bound: FIRST_PAUSE }
    }

    /// The next pause, for a `share` from 0 to 1.
    fn next(&mut self, share: f64) -> Duration {
        let pause = self.bound.mul_f64(share.clamp(0.0, 1.0));
        self.bound = (self.bound * 2).min(LONGEST_PAUSE);
        pause
    }
}

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
    backoff: Backoff,
    made: u32,
}

impl Tries {
    /// Tries that begin now. With a budget of zero there is one.
    pub(crate) fn new(time_budget: Duration) -> Self {
        let end_at = (!time_budget.is_zero()).then(|| Instant::now() + time_budget);
        Self { end_at, backoff: Backoff::new(), made: 0 }
    }

    /// The tries of another call, in what is left of the budget. None where each call is tried once.
    pub(crate) fn rest(&self) -> Option<Self> {
        let end_at = self.end_at?;
        Some(Self { end_at: Some(end_at), backoff: Backoff::new(), made: 0 })
    }

    /// Begins a try, with a deadline of `deadline` or what is left of the budget.
    pub(crate) fn begin(&mut self, deadline: Duration) -> Try {
        self.made += 1;
        Try { number: self.made, deadline: self.left().map_or(deadline, |left| left.min(deadline)) }
    }

    /// Waits until the call may be repeated: as long as the store asks, and a random time besides.
    ///
    /// # Errors
    /// Gives `error` back if another try cannot help, or the budget does not last that long.
    pub(crate) async fn pause(&mut self, error: Error) -> Result<(), Error> {
        let asked = error.call().and_then(CallError::retry_delay).unwrap_or_default();
        let pause = asked.saturating_add(self.backoff.next(random_share()));
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

/// From 0 to 1. The standard library keys its hashers at random, each one differently.
fn random_share() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 32;
    u32::try_from(bits).map_or(1.0, |bits| f64::from(bits) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};
    use tonic::{Code, Status};

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_never_longer_than_its_bound(shares in proptest::collection::vec(-1.0..=2.0_f64, 1..20)) {
            let mut backoff = Backoff::new();
            let mut bound = FIRST_PAUSE;
            for share in shares {
                prop_assert!(backoff.next(share) <= bound);
                prop_assert!((FIRST_PAUSE..=LONGEST_PAUSE).contains(&bound));
                bound = (bound * 2).min(LONGEST_PAUSE);
            }
        }

        #[test]
        fn a_larger_share_is_a_longer_pause(low in 0.0..=1.0_f64, high in 0.0..=1.0_f64, made in 0..10) {
            let mut backoff = Backoff::new();
            for _ in 0..made {
                backoff.next(0.5);
            }
            let (low, high) = if low <= high { (low, high) } else { (high, low) };
            prop_assert!(backoff.clone().next(low) <= backoff.next(high));
        }
    }

    #[test]
    fn bounds_double_from_0_2_to_2_s() {
        let mut backoff = Backoff::new();
        let bounds = [(); 6].map(|()| backoff.next(1.0).as_millis());
        assert_eq!(bounds, [200, 400, 800, 1_600, 2_000, 2_000]);
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
