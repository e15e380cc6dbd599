//! Turns what the database driver reports into spans and metrics: each statement of a call becomes a
//! span of its trace, and each wait for a connection is measured.
//!
//! The driver, sqlx, is known here by the names of its events alone. A span shows the statement's text,
//! which is fixed, and never its parameters: the driver does not report them. Statements in traces that
//! are not kept make no spans.

use std::{fmt, time::Duration};

use opentelemetry::{
    Context as TraceContext, KeyValue,
    trace::{Span as _, SpanBuilder, SpanKind, Tracer as _},
};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::Interest,
};
use tracing_subscriber::{Layer, filter::DynFilterFn, layer::Context, registry::LookupSpan};

use super::is_kept;
use crate::metrics::Histogram;

/// How long a statement waits for a connection.
pub static ACQUIRE_DURATION: Histogram<0> = Histogram::seconds(
    "db_pool_acquire_duration_seconds",
    "Seconds until a connection was there to use, among them those of making a new one.",
    [],
);

/// One event for each statement that has ended.
const STATEMENT: &str = "sqlx::query";

/// One event for each connection that a pool has handed out.
const ACQUIRED: &str = "sqlx::pool::acquire";

/// The layer, with its own filter: whatever is logged or not does not change it.
pub(super) fn layer<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // A statement's text is only written down if its trace is kept, which changes with each call.
    let wanted = |metadata: &Metadata<'_>, _: &Context<'_, S>| match metadata.target() {
        STATEMENT => is_traced(),
        target => target == ACQUIRED,
    };
    let ever = |metadata: &'static Metadata<'static>| match metadata.target() {
        STATEMENT => Interest::sometimes(),
        ACQUIRED => Interest::always(),
        _ => Interest::never(),
    };
    let filter = DynFilterFn::new(wanted).with_callsite_filter(ever);
    Statements { tracer }.with_filter(filter.with_max_level_hint(LevelFilter::DEBUG))
}

fn is_traced() -> bool {
    is_kept(&TraceContext::current())
}

struct Statements {
    tracer: SdkTracer,
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut report = Report::default();
        event.record(&mut report);
        if event.metadata().target() == STATEMENT {
            self.span(report);
        } else if let Some(seconds) = report.acquired_after_secs {
            ACQUIRE_DURATION.record(seconds, []);
        }
    }
}

impl Statements {
    /// The statement is over: its span begins in the past and ends now.
    fn span(&self, report: Report) {
        let Report { summary, statement, rows_affected, rows_returned, elapsed_secs, .. } = report;
        let ended_at = opentelemetry::time::now();
        let elapsed = Duration::try_from_secs_f64(elapsed_secs).unwrap_or_default();
        let statement = if statement.is_empty() { summary.clone() } else { statement };
        let builder = SpanBuilder::from_name(summary)
            .with_kind(SpanKind::Client)
            .with_start_time(ended_at.checked_sub(elapsed).unwrap_or(ended_at))
            .with_attributes([
                KeyValue::new("db.query.text", statement),
                KeyValue::new("db.rows_affected", rows_affected),
                KeyValue::new("db.response.returned_rows", rows_returned),
            ]);
        let mut span = self.tracer.build_with_context(builder, &TraceContext::current());
        span.end_with_timestamp(ended_at);
    }
}

/// What the driver reports.
#[derive(Default)]
struct Report {
    summary: String,
    statement: String,
    rows_affected: i64,
    rows_returned: i64,
    elapsed_secs: f64,
    acquired_after_secs: Option<f64>,
}

impl Visit for Report {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.trim_end_matches('…').trim_end().clone_into(&mut self.summary),
            "db.statement" => value.trim().clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        match field.name() {
            "rows_affected" => self.rows_affected = value,
            "rows_returned" => self.rows_returned = value,
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match field.name() {
            "elapsed_secs" => self.elapsed_secs = value,
            "acquired_after_secs" => self.acquired_after_secs = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
