//! Slows down whoever guesses passwords.
//!
//! In memory, so each replica counts for itself. Whoever is in the middle of a try when the limit is
//! reached still gets an answer. A stub's measure: it lets anybody lock a user out for a minute.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;

use crate::domain::Username;

/// Failed sign-ins of one user within [`WINDOW`] before more are refused unheard.
pub const MAX_FAILURES: u32 = 10;

/// How long failures are counted together, from the first of them.
pub const WINDOW: Duration = Duration::from_mins(1);

/// Users that are counted at once. Beyond, those whose window began first are forgotten: each entry
/// costs a guesser one password hash, so nobody pushes another out cheaply.
const MAX_USERS: usize = 10_000;

/// Counts failed sign-ins by the user's name, whether there is such a user or not.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<Username, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    since: OffsetDateTime,
}

impl Throttle {
    /// Whether `user` may try now. What is let in must be followed by [`Self::failed`] if it fails.
    ///
    /// # Errors
    /// When to try again.
    pub fn check(&self, user: &Username, now: OffsetDateTime) -> Result<(), Duration> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = counted.get(user).filter(|f| f.count >= MAX_FAILURES);
        let left = failures.map_or(time::Duration::ZERO, |f| f.since + WINDOW - now);
        if left.is_positive() { Err(left.unsigned_abs()) } else { Ok(()) }
    }

    /// Notes that `user` failed to sign in.
    pub fn failed(&self, user: &Username, now: OffsetDateTime) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MAX_USERS && !counted.contains_key(user) {
            make_room(&mut counted, now);
        }
        let failures = counted.entry(user.clone()).or_insert(Failures { count: 0, since: now });
        if failures.since + WINDOW <= now {
            *failures = Failures { count: 0, since: now };
        }
        failures.count += 1;
    }
}

fn make_room(counted: &mut HashMap<Username, Failures>, now: OffsetDateTime) {
    counted.retain(|_, failures| failures.since + WINDOW > now);
    if counted.len() < MAX_USERS {
        return;
    }
    let mut begun: Vec<_> = counted.values().map(|failures| failures.since).collect();
    begun.sort_unstable();
    let median = begun[begun.len() / 2];
    counted.retain(|_, failures| failures.since > median);
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    #[test]
    fn ten_failures_close_the_door_for_the_rest_of_the_minute() {
        let (throttle, user) = (Throttle::default(), "alice".parse().unwrap());
        for _ in 0..MAX_FAILURES {
            assert_eq!(throttle.check(&user, NOW), Ok(()));
            throttle.failed(&user, NOW);
        }
        let later = NOW + Duration::from_secs(20);
        assert_eq!(throttle.check(&user, later), Err(Duration::from_secs(40)));
        assert_eq!(throttle.check(&"bob".parse().unwrap(), later), Ok(()));
        assert_eq!(throttle.check(&user, NOW + WINDOW), Ok(()));
        throttle.failed(&user, NOW + WINDOW);
        assert_eq!(throttle.check(&user, NOW + WINDOW), Ok(()));
    }

    #[test]
    fn a_flood_of_names_takes_bounded_memory() {
        let throttle = Throttle::default();
        for n in 0..3 * MAX_USERS {
            throttle.failed(&format!("user-{n}").parse().unwrap(), NOW);
        }
        assert!(throttle.0.lock().unwrap().len() <= MAX_USERS);
    }
}
