//! How long to wait before another try.

use std::time::Duration;

/// Exponential backoff: upper bounds of pauses, which double from the first to the longest. The
/// caller adds the jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Bounds from `first` to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The longest pause after so many failures: `first` after one, twice as long after each further
    /// one.
    #[must_use]
    pub fn bound(self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn bounds_double_up_to_the_longest() {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
        let bounds = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|n| backoff.bound(n).as_millis());
        assert_eq!(bounds, [200, 200, 400, 800, 1_600, 2_000, 2_000, 2_000]);
    }

    proptest! {
        #[test]
        fn bounds_never_shrink_nor_pass_the_longest(
            first in 1..10_000_u64,
            more in 0..10_000_u64,
            failures: u32,
        ) {
            let (first, longest) =
                (Duration::from_millis(first), Duration::from_millis(first + more));
            let backoff = Backoff::new(first, longest);
            let bound = backoff.bound(failures);
            prop_assert!((first..=longest).contains(&bound));
            prop_assert!(bound <= backoff.bound(failures.saturating_add(1)));
            prop_assert_eq!(backoff.bound(1), first);
        }
    }
}
