//! Rate, errors and duration of calls: those that are answered here, and those that are made.

use std::{collections::HashSet, sync::LazyLock, time::Instant};

use kit_service::metrics::{Counter, Histogram, Level, Metric};
use oxcart_proto::error;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};

/// The metrics of every server and of every caller.
pub static METRICS: [Metric; 4] = [
    SERVER_DURATION.metric(),
    SERVER_IN_FLIGHT.metric(),
    SERVER_SHED.metric(),
    CLIENT_DURATION.metric(),
];

/// Calls that were answered.
static SERVER_DURATION: Histogram<3> = Histogram::seconds(
    "rpc_server_duration_seconds",
    "Seconds from a call to its answer; for a stream, to the beginning of it.",
    ["method", "code", "reason"],
);

/// Calls at work.
pub(crate) static SERVER_IN_FLIGHT: Level<1> =
    Level::new("rpc_server_in_flight", "Calls at work now.", ["server"]);

/// Calls that were shed.
pub(crate) static SERVER_SHED: Counter<1> = Counter::new(
    "rpc_server_shed_total",
    "Calls refused before any work because as many as allowed were at work.",
    ["server"],
);

/// Calls that were made.
static CLIENT_DURATION: Histogram<3> = Histogram::seconds(
    "rpc_client_duration_seconds",
    "Seconds from a call to another service to its answer; each try counts.",
    ["method", "code", "reason"],
);

/// The label of a method that the contract does not have: a path is the caller's to choose.
const OTHER: &str = "other";

/// The label of a call whose caller had gone before the answer came.
const ABANDONED: &str = "ABANDONED";

static METHODS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let contract = FileDescriptorSet::decode(oxcart_proto::FILE_DESCRIPTOR_SET);
    let files = contract.map(|contract| contract.file).unwrap_or_default();
    let services = files.iter().flat_map(|file| file.service.iter().map(move |it| (file, it)));
    services
        .flat_map(|(file, service)| {
            let path = format!("/{}.{}/", file.package(), service.name());
            service.method.iter().map(move |method| format!("{path}{}", method.name()))
        })
        .collect()
});

/// The name of the method without its first slash, as log lines have it.
fn method(path: &str) -> &'static str {
    METHODS.get(path).map_or(OTHER, |path| path.trim_start_matches('/'))
}

/// A call that has begun. It is counted when it is dropped, so that none is missed.
pub(crate) struct Call {
    duration: &'static Histogram<3>,
    method: &'static str,
    began_at: Instant,
    code: &'static str,
    reason: &'static str,
}

impl Call {
    /// A call of `path` that is answered here.
    pub(crate) fn received(path: &str) -> Self {
        Self::new(&SERVER_DURATION, path)
    }

    /// A call of `path` to another service.
    pub(crate) fn made(path: &str) -> Self {
        Self::new(&CLIENT_DURATION, path)
    }

    fn new(duration: &'static Histogram<3>, path: &str) -> Self {
        let (method, code) = (method(path), code_name(Code::Cancelled));
        Self { duration, method, began_at: Instant::now(), code, reason: ABANDONED }
    }

    /// What was called, as metrics and traces have it.
    pub(crate) const fn method(&self) -> &'static str {
        self.method
    }

    /// Notes what was answered to a call that was made.
    pub(crate) fn answered<B>(&mut self, answer: &Result<http::Response<B>, Status>) {
        match answer {
            Ok(response) => self.ended(Status::from_header_map(response.headers()).as_ref()),
            Err(status) => self.ended(Some(status)),
        }
    }

    /// Notes how the call ended; none is success.
    pub(crate) fn ended(&mut self, status: Option<&Status>) {
        self.code = code_name(status.map_or(Code::Ok, Status::code));
        let info = status.and_then(error::info);
        self.reason = info.map_or("", |info| info.reason.wire_name());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let seconds = self.began_at.elapsed().as_secs_f64();
        self.duration.record(seconds, [self.method, self.code, self.reason]);
    }
}

/// The code as the protocol's documentation writes it.
pub(crate) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
