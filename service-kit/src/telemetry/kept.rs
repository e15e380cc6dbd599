//! The spans that end on a test's thread.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter},
};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{spans, statements};
use crate::harness::observe;

/// The spans that have ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    pub(super) fn spans(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }
}

/// Keeps what `sampler` takes, until the guard is dropped.
pub(super) fn keep(sampler: Sampler) -> (Kept, DefaultGuard) {
    observe();
    let kept = Kept::default();
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(kept.clone());
    let tracer = provider.build().tracer("test");
    let subscriber =
        tracing_subscriber::registry().with(spans(tracer.clone())).with(statements::layer(tracer));
    (kept, tracing::subscriber::set_default(subscriber))
}
