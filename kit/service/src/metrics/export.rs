//! The process's one set of instruments, and who reads it.

use std::{sync::OnceLock, time::Duration};

use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    metrics::{MeterProviderBuilder, PeriodicReader, SdkMeterProvider},
};
use prometheus::{Registry, TextEncoder};

use super::process;
use crate::chain;

/// How often metrics are pushed.
const PUSH_INTERVAL: Duration = Duration::from_secs(15);

static EXPORT: OnceLock<Export> = OnceLock::new();

pub(super) struct Export {
    pub(super) provider: SdkMeterProvider,
    registry: Registry,
}

/// Who reads the metrics. Nobody: then an instrument costs next to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Readers<'a> {
    pub(crate) scrape: bool,
    pub(crate) push_to: Option<&'a str>,
}

/// Sets up who reads the metrics of this process. The first call decides; without any, [`text`] works.
pub(crate) fn start(resource: Resource, readers: Readers<'_>) {
    EXPORT.get_or_init(|| Export::new(resource, readers));
}

/// Sends what has not been pushed yet.
pub(crate) fn shut_down() {
    let Some(Err(failure)) = EXPORT.get().map(|export| export.provider.shutdown()) else { return };
    tracing::debug!(error = chain(&failure), "the last metrics could not be sent");
}

/// All metrics as Prometheus reads them.
#[must_use]
pub fn text() -> String {
    let families = export().registry.gather();
    TextEncoder::new().encode_to_string(&families).unwrap_or_else(|failure| {
        tracing::error!(error = chain(&failure), "the metrics cannot be written down");
        String::new()
    })
}

/// Makes instruments of the process's one set, for those that no type of [`metrics`](super) makes.
#[must_use]
pub fn meter() -> Meter {
    export().provider.meter("oxcart")
}

fn export() -> &'static Export {
    let readers = Readers { scrape: true, push_to: None };
    EXPORT.get_or_init(|| Export::new(Resource::builder().build(), readers))
}

impl Export {
    pub(super) fn new(resource: Resource, readers: Readers<'_>) -> Self {
        let registry = Registry::new();
        let mut builder = SdkMeterProvider::builder().with_resource(resource);
        if readers.scrape {
            builder = with_scrape(builder, &registry);
        }
        if let Some(endpoint) = readers.push_to {
            builder = with_push(builder, endpoint);
        }
        let provider = builder.build();
        let meter = provider.meter("oxcart");
        process::observe(&meter);
        Self { provider, registry }
    }
}

/// The names are ours, units and endings included, so that they are the same for all readers.
fn with_scrape(builder: MeterProviderBuilder, registry: &Registry) -> MeterProviderBuilder {
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .without_units()
        .without_counter_suffixes()
        .without_target_info()
        .scope_info_enabled(false);
    match exporter.build() {
        Ok(reader) => builder.with_reader(reader),
        Err(failure) => {
            tracing::warn!(error = chain(&failure), "there are no metrics to scrape");
            builder
        }
    }
}

fn with_push(builder: MeterProviderBuilder, endpoint: &str) -> MeterProviderBuilder {
    let exporter = opentelemetry_otlp::MetricExporter::builder().with_tonic();
    match exporter.with_endpoint(endpoint).build() {
        Ok(exporter) => {
            let reader = PeriodicReader::builder(exporter).with_interval(PUSH_INTERVAL);
            builder.with_reader(reader.build())
        }
        Err(failure) => {
            tracing::warn!(error = chain(&failure), "metrics are not pushed");
            builder
        }
    }
}
