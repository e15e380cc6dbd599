//! Times and spans of time.

use ::time::OffsetDateTime;
use prost_types::Timestamp;

use crate::BadFields;

/// Why a timestamp was refused: it is outside of what the contract allows.
const NOT_A_TIME: &str = "must be a time from the year 1 to the year 9999";

/// A time as it stands in messages.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    Timestamp { seconds: at.unix_timestamp(), nanos }
}

/// A span of time as it stands in messages; the longest that there is for one that does not fit.
#[must_use]
pub fn duration(span: std::time::Duration) -> prost_types::Duration {
    let longest = prost_types::Duration { seconds: 315_576_000_000, nanos: 0 };
    prost_types::Duration::try_from(span).unwrap_or(longest)
}

impl BadFields {
    /// Reads a time that must be set.
    pub fn timestamp(&mut self, path: &str, at: Option<Timestamp>) -> Option<OffsetDateTime> {
        let at = self.required(path, at)?;
        self.take(path, read(at).ok_or(NOT_A_TIME))
    }

    /// Reads a time that may be unset. None also if it was noted as bad: [`Self::finish`] refuses then.
    pub fn optional_timestamp(
        &mut self,
        path: &str,
        at: Option<Timestamp>,
    ) -> Option<OffsetDateTime> {
        self.take(path, read(at?).ok_or(NOT_A_TIME))
    }

    /// Reads a span of time; an unset one is zero.
    pub fn duration(
        &mut self,
        path: &str,
        span: Option<prost_types::Duration>,
    ) -> Option<std::time::Duration> {
        let span = span.unwrap_or_default();
        let read = std::time::Duration::try_from(span);
        self.take(path, read.map_err(|_| "must be a span of time that is not negative"))
    }
}

fn read(at: Timestamp) -> Option<OffsetDateTime> {
    let nanos = u32::try_from(at.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let whole = OffsetDateTime::from_unix_timestamp(at.seconds).ok()?;
    let time = whole.replace_nanosecond(nanos).ok()?;
    Some(time).filter(|time| (1..=9_999).contains(&time.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_and_what_is_no_time_is_refused() {
        let mut bad = BadFields::default();
        let at = OffsetDateTime::UNIX_EPOCH + ::time::Duration::microseconds(-1);
        assert_eq!(bad.timestamp("at", Some(timestamp(at))), Some(at));
        assert!(bad.is_empty());
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            let mut bad = BadFields::default();
            assert_eq!(bad.timestamp("at", Some(Timestamp { seconds, nanos })), None);
            assert!(!bad.is_empty(), "{seconds} {nanos}");
        }
        assert_eq!(bad.timestamp("at", None), None);
        assert_eq!(bad.optional_timestamp("other", None), None);
        assert_eq!(bad.paths(), ["at"]);
    }

    #[test]
    fn spans_read_back() {
        let mut bad = BadFields::default();
        let span = std::time::Duration::new(8, 5_000);
        assert_eq!(bad.duration("span", Some(duration(span))), Some(span));
        assert_eq!(bad.duration("span", None), Some(std::time::Duration::ZERO));
        let negative = prost_types::Duration { seconds: -1, nanos: 0 };
        assert_eq!(bad.duration("span", Some(negative)), None);
        assert_eq!(duration(std::time::Duration::MAX).seconds, 315_576_000_000);
    }
}
