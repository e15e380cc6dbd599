//! What a scrape of this process would show.

use kit_service::metrics;

/// The value of the one series of `name` that has all `labels`; of a histogram, ask `…_count`. Zero if
/// there is none. All tests of the process share it: compare before and after.
#[must_use]
pub fn metric(name: &str, labels: &[(&str, &str)]) -> f64 {
    series(name, labels).unwrap_or_default()
}

/// The same, and none if there is none.
#[must_use]
pub fn series(name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    let text = metrics::text();
    let is_it = |line: &&str| {
        let is_named = line.split(['{', ' ']).next() == Some(name);
        is_named && labels.iter().all(|label| line.contains(label))
    };
    text.lines().find(is_it)?.rsplit_once(' ')?.1.parse().ok()
}
