//! What a process counts and measures: one set of instruments, read by Prometheus and pushed by OTLP.
//!
//! A metric is a `static`, so that a test can hold the list of them against the documentation. The
//! value of a label is `'static` too: no id of a user, cart or payment can become one. Deliberately
//! absent: metrics of the shop; each service declares its own.

mod export;
mod process;
pub(crate) mod scrape;
#[cfg(test)]
mod tests;

use std::{array, sync::OnceLock};

use opentelemetry::{
    KeyValue,
    metrics::{self as otel, Meter},
};

pub(crate) use export::{Readers, shut_down, start};
pub use export::{meter, text};

/// Of what kind a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many values fell below each of some bounds, their sum and their number.
    Histogram,
}

/// What the documentation says of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name, with its unit last.
    pub name: &'static str,
    /// Of what kind it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// The metrics of every process.
pub static METRICS: [Metric; 6] = [
    process::MEMORY,
    process::OPEN_FILES,
    process::CPU_SECONDS,
    process::START_TIME,
    process::TASKS,
    process::BUILD_INFO,
];

/// The bounds of durations, in seconds: from a read in memory to the longest wait of a checkout.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What all instruments have: made when first used, in the process's one set.
struct Instrument<I, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    made: OnceLock<I>,
}

impl<I, const N: usize> Instrument<I, N> {
    const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self { name, help, labels, made: OnceLock::new() }
    }

    const fn metric(&'static self, kind: Kind) -> Metric {
        Metric { name: self.name, kind, labels: &self.labels, help: self.help }
    }

    fn get(&self, make: impl FnOnce(&Meter) -> I) -> &I {
        self.made.get_or_init(|| make(&meter()))
    }

    fn labelled(&self, values: [&'static str; N]) -> [KeyValue; N] {
        array::from_fn(|place| KeyValue::new(self.labels[place], values[place]))
    }
}

/// Counts events.
pub struct Counter<const N: usize>(Instrument<otel::Counter<u64>, N>);

impl<const N: usize> Counter<N> {
    /// A counter; its name ends in `_total`.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self(Instrument::new(name, help, labels))
    }

    /// What the documentation says of it.
    #[must_use]
    pub const fn metric(&'static self) -> Metric {
        self.0.metric(Kind::Counter)
    }

    /// Counts `n` more, under the `values` of its labels.
    pub fn add(&self, n: u64, values: [&'static str; N]) {
        let make =
            |meter: &Meter| meter.u64_counter(self.0.name).with_description(self.0.help).build();
        self.0.get(make).add(n, &self.0.labelled(values));
    }
}

/// Collects values.
pub struct Histogram<const N: usize> {
    instrument: Instrument<otel::Histogram<f64>, N>,
    bounds: &'static [f64],
}

impl<const N: usize> Histogram<N> {
    /// A histogram of durations in seconds, which its name ends in.
    #[must_use]
    pub const fn seconds(
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
    ) -> Self {
        Self::new(name, help, labels, &SECONDS)
    }

    /// A histogram of values below each of `bounds`, and above them all.
    #[must_use]
    pub const fn new(
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        bounds: &'static [f64],
    ) -> Self {
        Self { instrument: Instrument::new(name, help, labels), bounds }
    }

    /// What the documentation says of it.
    #[must_use]
    pub const fn metric(&'static self) -> Metric {
        self.instrument.metric(Kind::Histogram)
    }

    /// Adds a value, under the `values` of its labels.
    pub fn record(&self, value: f64, values: [&'static str; N]) {
        let Self { instrument, bounds } = self;
        let make = |meter: &Meter| {
            let histogram = meter.f64_histogram(instrument.name).with_description(instrument.help);
            histogram.with_boundaries(bounds.to_vec()).build()
        };
        instrument.get(make).record(value, &instrument.labelled(values));
    }
}

/// Shows how many of something there are.
pub struct Level<const N: usize>(Instrument<otel::UpDownCounter<i64>, N>);

impl<const N: usize> Level<N> {
    /// A level, at 0.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self(Instrument::new(name, help, labels))
    }

    /// What the documentation says of it.
    #[must_use]
    pub const fn metric(&'static self) -> Metric {
        self.0.metric(Kind::Gauge)
    }

    /// One more, until what is returned is dropped.
    #[must_use]
    pub fn enter(&'static self, values: [&'static str; N]) -> Entered<N> {
        self.add(1, values);
        Entered { level: self, values }
    }

    fn add(&self, n: i64, values: [&'static str; N]) {
        let make = |meter: &Meter| {
            meter.i64_up_down_counter(self.0.name).with_description(self.0.help).build()
        };
        self.0.get(make).add(n, &self.0.labelled(values));
    }
}

/// One of what a [`Level`] counts.
pub struct Entered<const N: usize> {
    level: &'static Level<N>,
    values: [&'static str; N],
}

impl<const N: usize> Drop for Entered<N> {
    fn drop(&mut self) {
        self.level.add(-1, self.values);
    }
}

/// Shows the last value.
pub struct Gauge<const N: usize>(Instrument<otel::Gauge<f64>, N>);

impl<const N: usize> Gauge<N> {
    /// A gauge, which shows nothing until it is set.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self(Instrument::new(name, help, labels))
    }

    /// What the documentation says of it.
    #[must_use]
    pub const fn metric(&'static self) -> Metric {
        self.0.metric(Kind::Gauge)
    }

    /// Shows `value`, under the `values` of its labels.
    pub fn set(&self, value: f64, values: [&'static str; N]) {
        let make =
            |meter: &Meter| meter.f64_gauge(self.0.name).with_description(self.0.help).build();
        self.0.get(make).record(value, &self.0.labelled(values));
    }
}
