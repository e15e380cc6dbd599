//! How long the current call may still take.
//!
//! The deadline travels with the task: [`within`] sets it, every outbound call reads it. A task that
//! is spawned apart has none. Deliberately absent: cancelling; who runs out of time says so, and work
//! that has begun is finished.

use std::{future::Future, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// The caller's time in the gRPC protocol: at most eight digits and a unit.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The largest number of eight digits.
const MAX_DIGITS: u128 = 99_999_999;

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

/// The caller's time, if it states one that can be read.
pub(crate) fn read(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// States `limit` in the finest unit that holds it.
pub(crate) fn write(headers: &mut HeaderMap, limit: Duration) {
    let (number, unit) = match (limit.as_micros(), limit.as_millis()) {
        (micros, _) if micros <= MAX_DIGITS => (micros, 'u'),
        (_, millis) => (millis.min(MAX_DIGITS), 'm'),
    };
    if let Ok(value) = HeaderValue::try_from(format!("{number}{unit}")) {
        headers.insert(GRPC_TIMEOUT, value);
    }
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

    fn read_text(text: &str) -> Option<Duration> {
        read(&HeaderMap::from_iter([(GRPC_TIMEOUT, HeaderValue::from_str(text).unwrap())]))
    }

    #[test]
    fn a_stated_time_reads_back() {
        for millis in [0, 1, 250, 99_999, 100_001, 3_600_000] {
            let mut headers = HeaderMap::new();
            write(&mut headers, Duration::from_millis(millis));
            assert_eq!(read(&headers), Some(Duration::from_millis(millis)));
        }
        assert_eq!(read_text("2H"), Some(Duration::from_hours(2)));
        assert_eq!(read_text("7n"), Some(Duration::from_nanos(7)));
    }

    #[test]
    fn garbage_states_no_time() {
        for text in ["", "S", "1", "-1S", "+1S", "1x", "123456789S", "1.5S", "1 S"] {
            assert_eq!(read_text(text), None, "{text:?}");
        }
    }
}
