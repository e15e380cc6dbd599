//! Starts an identity provider for one test.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Parser as _;
use idp_stub::Config;
use kit_rpc::{auth::install_crypto, service::RunError};
use kit_service::Env;
use oxcart_proto::idp::{SignInRequest, UserTokens, idp_service_client::IdpServiceClient};
use reqwest::{Client, Response, redirect::Policy};
use serde_json::Value;
use time::macros::datetime;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};

/// A running identity provider with a clock of its own. It stops when this is dropped.
pub struct Running {
    pub grpc: IdpServiceClient<Channel>,
    pub http: Client,
    pub issuer: String,
    pub env: Env,
    stop: CancellationToken,
    served: JoinHandle<Result<(), RunError>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts one in memory.
pub async fn start() -> Running {
    start_with(&["--database-url", "memory:"]).await
}

/// Starts one with `args`.
pub async fn start_with(args: &[&str]) -> Running {
    install_crypto();
    let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let grpc_url = format!("http://{}", grpc.local_addr().unwrap());
    let issuer = format!("http://{}", http.local_addr().unwrap());
    let own = ["idp-stub", "--issuer", &issuer];
    let config = Config::parse_from(own.iter().chain(args));
    // Two with one seed would mint the same secrets. The port is one that no other has.
    let seed = grpc.local_addr().unwrap().port();
    let env = Env::seeded(seed.into(), datetime!(2026-11-23 12:00 UTC));
    let stop = CancellationToken::new();
    let served = tokio::spawn(idp_stub::serve(config, grpc, http, stop.clone(), env.clone()));
    // The listeners queue what comes before the service is ready.
    let grpc = IdpServiceClient::connect(grpc_url).await.unwrap();
    let http = Client::builder().redirect(Policy::none()).build().unwrap();
    Running { grpc, http, issuer, env, stop, served }
}

impl Running {
    /// Stops it and waits until it has.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let served = tokio::time::timeout(Duration::from_secs(30), &mut self.served).await;
        served.unwrap().unwrap().unwrap();
    }

    pub async fn sign_in(&self, username: &str, password: &str) -> Result<UserTokens, Status> {
        let request = SignInRequest { username: username.into(), password: password.into() };
        let answer = self.grpc.clone().sign_in(request).await?;
        Ok(answer.into_inner().tokens.unwrap())
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.issuer)).send().await.unwrap()
    }

    /// Posts a form, with the credentials of a client if there are any.
    pub async fn post(
        &self,
        path: &str,
        client: Option<(&str, &str)>,
        form: &[(&str, &str)],
    ) -> Response {
        let request = self.http.post(format!("{}{path}", self.issuer)).form(form);
        let request = match client {
            Some((id, secret)) => request.basic_auth(id, Some(secret)),
            None => request,
        };
        request.send().await.unwrap()
    }
}

/// The status and the JSON of an answer.
pub async fn json(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

/// What a token says, unverified.
pub fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
