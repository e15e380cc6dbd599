//! Where time, ids and randomness come from. Passed in, so that a test decides all three.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::StdRng};
use time::OffsetDateTime;
use uuid::Uuid;

/// A clock, and a cryptographically secure random number generator. A clone shares both.
#[derive(Clone)]
pub struct Env {
    clock: Arc<Mutex<Clock>>,
    rng: Arc<Mutex<StdRng>>,
}

enum Clock {
    System,
    Fixed(OffsetDateTime),
}

impl Env {
    /// The machine's clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Clock::System, StdRng::from_os_rng())
    }

    /// The same ids and numbers for the same `seed`, and a clock that stands at `start` until
    /// [`Self::advance`]. For tests.
    #[must_use]
    pub fn seeded(seed: u64, start: OffsetDateTime) -> Self {
        Self::new(Clock::Fixed(start), StdRng::seed_from_u64(seed))
    }

    fn new(clock: Clock, rng: StdRng) -> Self {
        Self { clock: Arc::new(Mutex::new(clock)), rng: Arc::new(Mutex::new(rng)) }
    }

    /// The time in UTC, in whole microseconds: what every store can hold.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    pub fn now(&self) -> OffsetDateTime {
        let now = match *lock(&self.clock) {
            Clock::System => OffsetDateTime::now_utc(),
            Clock::Fixed(now) => now,
        };
        now.replace_nanosecond(now.microsecond() * 1_000).unwrap_or(now)
    }

    /// Moves a fixed clock on. Has no effect on the machine's.
    pub fn advance(&self, by: Duration) {
        if let Clock::Fixed(now) = &mut *lock(&self.clock) {
            *now += by;
        }
    }

    /// A UUID of version 7: ids made later sort later.
    #[must_use]
    pub fn uuid_v7(&self) -> Uuid {
        let millis = self.now().unix_timestamp_nanos() / 1_000_000;
        let millis = u64::try_from(millis).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// Random bytes, fit for secrets.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        lock(&self.rng).fill_bytes(&mut bytes);
        bytes
    }

    /// A number from 0 to `n` - 1; 0 if `n` is 0.
    #[must_use]
    pub fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { lock(&self.rng).random_range(0..n) }
    }

    /// `base` times a number from `low` to `high`.
    #[must_use]
    pub fn jitter(&self, base: Duration, low: f64, high: f64) -> Duration {
        let factor = lock(&self.rng).random_range(low..=high);
        base.mul_f64(factor.max(0.0))
    }
}

/// Nothing in here panics while it holds a lock, so a poisoned one is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let make = || Env::seeded(7, OffsetDateTime::UNIX_EPOCH);
        let (a, b) = (make(), make());
        assert_eq!(a.uuid_v7(), b.uuid_v7());
        assert_eq!(a.below(1_000_000), b.below(1_000_000));
        assert_ne!(a.bytes::<32>(), Env::seeded(8, OffsetDateTime::UNIX_EPOCH).bytes::<32>());
    }

    #[test]
    fn ids_made_later_sort_later() {
        let env = Env::seeded(7, OffsetDateTime::UNIX_EPOCH);
        let first = env.uuid_v7();
        env.advance(Duration::from_millis(1));
        assert!(first < env.uuid_v7());
    }
}
