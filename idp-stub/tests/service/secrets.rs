//! What the logs may hold.

use std::{
    io::{Result, Write},
    sync::{Arc, Mutex},
};

use oxcart_proto::idp::RefreshRequest;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::harness::{json, start};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// The log is that of all tests which run beside this one: none of them may log a secret either.
#[tokio::test]
async fn no_password_secret_or_token_is_ever_logged() {
    let log = Log::default();
    let ours =
        EnvFilter::new("info,idp_stub=trace,kit_database=trace,kit_rpc=trace,kit_service=trace");
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(ours).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let idp = start().await;
    let tokens = idp.sign_in("alice", "alice-password").await.unwrap();
    idp.sign_in("alice", "hunter2").await.unwrap_err();
    let request = RefreshRequest { refresh_token: tokens.refresh_token.clone() };
    let next = idp.grpc.clone().refresh(request.clone()).await.unwrap().into_inner();
    idp.grpc.clone().refresh(request).await.unwrap_err();
    let form = [("grant_type", "client_credentials")];
    let service = idp.post("/token", Some(("controller", "controller-secret")), &form).await;
    let service = json(service).await.1["access_token"].as_str().unwrap().to_owned();
    idp.get(&format!("/userinfo?access_token={}", tokens.access_token)).await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("refresh token refused") && log.contains("/userinfo"), "{log}");
    let next = next.tokens.unwrap();
    for secret in [
        "alice-password",
        "hunter2",
        "controller-secret",
        &tokens.access_token,
        &tokens.refresh_token,
        &next.access_token,
        &next.refresh_token,
        &service,
    ] {
        assert!(!log.contains(secret), "a log line holds {secret}");
    }
}
