//! gRPC and HTTP in and out: parse, ask, answer.

mod grpc;
mod http;

pub use grpc::IdpRpc;
pub use http::{MAX_BODY_BYTES, TIMEOUT, serve as serve_http};
