//! Random numbers: which of two addresses is tried, and for how long a pause lasts.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// A generator of random numbers. A clone shares it.
#[derive(Clone)]
pub(crate) struct Random(Arc<Mutex<StdRng>>);

impl Random {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_os_rng())))
    }

    /// A number from 0 to `n` - 1; 0 if `n` is 0.
    pub(crate) fn below(&self, n: usize) -> usize {
        if n == 0 { 0 } else { self.with(|rng| rng.random_range(0..n)) }
    }

    /// `base` times a number from `low` to `high`.
    pub(crate) fn jitter(&self, base: Duration, low: f64, high: f64) -> Duration {
        base.mul_f64(self.with(|rng| rng.random_range(low..=high)))
    }

    /// Nothing panics while it holds the lock, so a poisoned one is still whole.
    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
