//! Counts the calls that a test token has fail. In memory: a restart begins again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::domain::key::PaymentKey;

/// Keys that are counted at once. With more, counting begins again for all.
const MAX_KEYS: usize = 10_000;

/// How often each key was made to fail.
#[derive(Default)]
pub(super) struct Script {
    failed: Mutex<HashMap<PaymentKey, u32>>,
}

impl Script {
    /// Counts a call for `key`, and says whether it is among the first `calls`.
    pub(super) fn is_one_of_the_first(&self, key: &PaymentKey, calls: u32) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MAX_KEYS && !failed.contains_key(key) {
            failed.clear();
        }
        let count = failed.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        *count <= calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_fails_as_often_as_it_should() {
        let script = Script::default();
        let [one, two]: [PaymentKey; 2] = ["1", "2"].map(|key| key.parse().unwrap());
        let seen =
            [&one, &one, &two, &one, &two, &two].map(|key| script.is_one_of_the_first(key, 2));
        assert_eq!(seen, [true, true, true, false, true, false]);
    }

    #[test]
    fn the_memory_of_failures_is_bounded() {
        let script = Script::default();
        for number in 0..=MAX_KEYS {
            script.is_one_of_the_first(&format!("k{number}").parse().unwrap(), 1);
        }
        assert_eq!(script.failed.lock().unwrap().len(), 1);
    }
}
