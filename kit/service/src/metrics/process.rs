//! What the system says about the process. Linux only: elsewhere the files are missing, and so are
//! the values.

use std::{fs, sync::LazyLock};

use opentelemetry::{KeyValue, metrics::Meter};
use tokio::runtime::Handle;

use super::{Kind, Metric};
use crate::Env;

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels: &[], help }
}

pub(super) const MEMORY: Metric =
    gauge("process_resident_memory_bytes", "Bytes of memory in use that are not paged out.");

pub(super) const OPEN_FILES: Metric = gauge("process_open_fds", "Open files and sockets.");

pub(super) const CPU_SECONDS: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Seconds of processor time used.",
};

pub(super) const START_TIME: Metric =
    gauge("process_start_time_seconds", "Seconds from 1970 to the start of the process.");

pub(super) const TASKS: Metric =
    gauge("process_tasks", "Tasks of the runtime that have not ended.");

pub(super) const BUILD_INFO: Metric = Metric {
    name: "build_info",
    kind: Kind::Gauge,
    labels: &["version"],
    help: "Always 1; its label says which version runs.",
};

/// The unit in which the kernel tells processor time, fixed for all programs.
const TICKS_PER_SECOND: f64 = 100.0;

static STARTED_AT: LazyLock<f64> = LazyLock::new(|| seconds(Env::system().now()));

fn seconds(at: time::OffsetDateTime) -> f64 {
    (at - time::OffsetDateTime::UNIX_EPOCH).as_seconds_f64()
}

pub(super) fn observe(meter: &Meter) {
    let started_at = *STARTED_AT;
    observe_gauge(meter, MEMORY, resident_bytes);
    observe_gauge(meter, OPEN_FILES, open_files);
    observe_gauge(meter, START_TIME, move || Some(started_at));
    let runtime = Handle::try_current().ok();
    observe_gauge(meter, TASKS, move || {
        runtime.as_ref().map(|runtime| float(runtime.metrics().num_alive_tasks()))
    });
    let cpu = meter.f64_observable_counter(CPU_SECONDS.name).with_description(CPU_SECONDS.help);
    cpu.with_callback(|observer| {
        if let Some(value) = cpu_seconds() {
            observer.observe(value, &[]);
        }
    })
    .build();
    let build = meter.u64_observable_gauge(BUILD_INFO.name).with_description(BUILD_INFO.help);
    build
        .with_callback(|observer| {
            observer.observe(1, &[KeyValue::new("version", crate::version())]);
        })
        .build();
}

fn observe_gauge(
    meter: &Meter,
    metric: Metric,
    read: impl Fn() -> Option<f64> + Send + Sync + 'static,
) {
    let gauge = meter.f64_observable_gauge(metric.name).with_description(metric.help);
    gauge
        .with_callback(move |observer| {
            if let Some(value) = read() {
                observer.observe(value, &[]);
            }
        })
        .build();
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1_024.0)
}

fn open_files() -> Option<f64> {
    // The folder itself is open while it is counted.
    fs::read_dir("/proc/self/fd").ok().map(|files| float(files.count().saturating_sub(1)))
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name of the program, in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11).map(str::parse::<f64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
