//! Takes traces and metrics by OTLP over gRPC and throws them away, for `bench/telemetry`: the cost of
//! sending them, without that of a collector. `cargo run -p kit-service --example otlp_sink -- ADDRESS`

use std::{env, io};

use axum::{Router, body::Bytes};
use tokio::net::TcpListener;

/// The empty message in a frame of gRPC: every export was taken.
const TAKEN: [u8; 5] = [0; 5];

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4317".to_owned());
    let take = async |_: Bytes| {
        ([("content-type", "application/grpc"), ("grpc-status", "0")], Bytes::from_static(&TAKEN))
    };
    axum::serve(TcpListener::bind(address).await?, Router::new().fallback(take)).await
}
