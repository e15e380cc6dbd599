//! What was measured.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use crate::config::Operation;

/// The longest time that is told apart, in microseconds: no call may take longer.
const LONGEST_MICROS: u64 = 120_000_000;

/// Times are kept to this many digits.
const DIGITS: u8 = 3;

/// The figures of one run.
#[derive(Debug)]
pub struct Figures {
    /// What was called.
    pub operation: Operation,
    /// How many users called.
    pub users: u16,
    /// How long.
    pub length: Duration,
    /// How it went.
    pub tally: Tally,
}

impl Figures {
    /// Whether any call succeeded.
    pub fn has_successes(&self) -> bool {
        self.tally.times.values().any(|times| !times.is_empty())
    }
}

/// How calls went. Only successful ones have a time.
#[derive(Debug, Default)]
pub struct Tally {
    /// Times in microseconds by RPC.
    pub times: BTreeMap<&'static str, Histogram<u64>>,
    /// How many calls failed, by RPC and reason.
    pub errors: BTreeMap<String, u64>,
    /// Checkouts that were undecided when their call ended.
    pub undecided: u64,
}

impl Tally {
    /// Counts a success.
    pub fn record(&mut self, rpc: &'static str, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_MICROS);
        let Some(times) = entry(&mut self.times, rpc) else { return };
        times.saturating_record(micros);
    }

    /// Counts a failure.
    pub fn fail(&mut self, rpc: &'static str, reason: &str) {
        *self.errors.entry(format!("{rpc} {reason}")).or_default() += 1;
    }

    /// Adds what another worker has.
    pub fn add(&mut self, other: Self) {
        for (rpc, times) in other.times {
            if let Some(all) = entry(&mut self.times, rpc) {
                // Every histogram here has the same bounds, so one takes what another holds.
                let _ = all.add(times);
            }
        }
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self.undecided += other.undecided;
    }

    /// The times of all RPCs together.
    pub fn all(&self) -> Option<Histogram<u64>> {
        let mut all = empty()?;
        for times in self.times.values() {
            let _ = all.add(times);
        }
        Some(all)
    }
}

fn entry<'a>(
    times: &'a mut BTreeMap<&'static str, Histogram<u64>>,
    rpc: &'static str,
) -> Option<&'a mut Histogram<u64>> {
    if !times.contains_key(rpc) {
        times.insert(rpc, empty()?);
    }
    times.get_mut(rpc)
}

fn empty() -> Option<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_of_workers_add_up() {
        let (mut all, mut one) = (Tally::default(), Tally::default());
        all.record("GetCart", Duration::from_millis(1));
        one.record("GetCart", Duration::from_millis(3));
        one.record("SetItem", Duration::from_secs(500));
        one.fail("GetCart", "OVERLOADED");
        all.fail("GetCart", "OVERLOADED");
        all.add(one);
        assert_eq!(all.times["GetCart"].len(), 2);
        assert_eq!(all.all().unwrap().len(), 3);
        assert_eq!(all.errors["GetCart OVERLOADED"], 2);
    }
}
