//! The spans that end on a test's thread.

use std::sync::{Arc, Mutex, Once};

use kit_service::telemetry;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter},
};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

/// The spans that have ended.
#[derive(Clone, Debug, Default)]
pub struct RecordedSpans(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for RecordedSpans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl RecordedSpans {
    /// Those so far.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }
}

/// Keeps what `sampler` takes, until the guard is dropped.
#[must_use]
pub fn keep(sampler: Sampler) -> (RecordedSpans, DefaultGuard) {
    observe();
    let kept = RecordedSpans::default();
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(kept.clone());
    let tracer = provider.build().tracer("test");
    let subscriber = tracing_subscriber::registry().with(telemetry::layers(tracer));
    (kept, tracing::subscriber::set_default(subscriber))
}

/// Makes tracing ask this thread's subscriber about every span and event. Without it, what a test
/// captures depends on which other test ran into the same line of code first, and had no subscriber.
pub fn observe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::Registry::default()).unwrap();
    });
}
