//! The caller's time, as the gRPC protocol states it in the header `grpc-timeout`.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// At most eight digits and a unit.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The largest number of eight digits.
const MAX_DIGITS: u128 = 99_999_999;

/// The caller's time, if it states one that can be read.
#[must_use]
pub fn read(headers: &HeaderMap) -> Option<Duration> {
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
pub fn write(headers: &mut HeaderMap, limit: Duration) {
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
