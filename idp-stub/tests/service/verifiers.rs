//! What the other services do with the tokens, by the kit.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use kit_rpc::auth::{AuthArgs, Authenticator, ServiceIdentity};
use kit_service::Env;
use oxcart_proto::{Reason, error::info, idp::RefreshRequest};

use crate::harness::{Running, start, start_with};

fn authenticator(idp: &Running, env: &Env) -> Authenticator {
    let args = AuthArgs {
        issuer: idp.issuer.clone(),
        user_audience: "oxcart".into(),
        service_audience: "oxcart-internal".into(),
        sign_in: "http://127.0.0.1:50053".into(),
    };
    Authenticator::new(&args, env.clone())
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

#[tokio::test]
async fn a_services_authenticator_accepts_a_users_token() {
    let idp = start().await;
    let tokens = idp.sign_in("alice", "alice-password").await.unwrap();
    let authenticator = authenticator(&idp, &idp.env);
    let caller = authenticator.authenticate(&bearer(&tokens.access_token)).await.unwrap();
    assert_eq!(caller.user().unwrap().as_str(), "alice");
    let refused = caller.service("cart:checkout").unwrap_err();
    assert_eq!(info(&refused).unwrap().reason, Reason::SignInRequired);
}

#[tokio::test]
async fn a_services_own_token_comes_from_the_discovered_endpoint() {
    let idp = start().await;
    let secret = "controller-secret".into();
    let identity = ServiceIdentity::new(&idp.issuer, "controller", secret, idp.env.clone());
    let bearer = identity.bearer().await.unwrap();
    let headers = HeaderMap::from_iter([(
        AUTHORIZATION,
        HeaderValue::from_bytes(bearer.as_bytes()).unwrap(),
    )]);
    let caller = authenticator(&idp, &idp.env).authenticate(&headers).await.unwrap();
    assert_eq!(caller.service_id(), Some("controller"));
    caller.service("payment:charge").unwrap();
    let refused = caller.service("payment:refund").unwrap_err();
    assert_eq!(info(&refused).unwrap().reason, Reason::ScopeMissing);
    assert!(caller.user().is_err());

    let wrong = ServiceIdentity::new(&idp.issuer, "controller", "x".into(), idp.env.clone());
    assert!(wrong.bearer().await.is_err());
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let idp = start().await;
    let tokens = idp.sign_in("alice", "alice-password").await.unwrap();
    let authenticator = authenticator(&idp, &idp.env);
    idp.env.advance(Duration::from_mins(16));
    let refused = authenticator.authenticate(&bearer(&tokens.access_token)).await.err().unwrap();
    assert_eq!(info(&refused).unwrap().reason, Reason::TokenInvalid);
}

#[tokio::test]
async fn a_token_of_another_provider_is_refused() {
    let (idp, other) = (start().await, start().await);
    let tokens = other.sign_in("alice", "alice-password").await.unwrap();
    let authenticator = authenticator(&idp, &idp.env);
    let refused = authenticator.authenticate(&bearer(&tokens.access_token)).await.err().unwrap();
    assert_eq!(info(&refused).unwrap().reason, Reason::TokenInvalid);
}

#[tokio::test]
async fn a_restart_keeps_keys_users_and_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("idp.sqlite3").display());
    let args = ["--database-url", url.as_str()];
    let idp = start_with(&args).await;
    let tokens = idp.sign_in("alice", "alice-password").await.unwrap();
    let keys = idp.get("/jwks.json").await.text().await.unwrap();
    idp.stop().await;

    let idp = start_with(&args).await;
    assert_eq!(idp.get("/jwks.json").await.text().await.unwrap(), keys);
    let request = RefreshRequest { refresh_token: tokens.refresh_token };
    let tokens = idp.grpc.clone().refresh(request).await.unwrap().into_inner().tokens.unwrap();
    let authenticator = authenticator(&idp, &idp.env);
    assert!(authenticator.authenticate(&bearer(&tokens.access_token)).await.is_ok());
    idp.stop().await;
}

#[tokio::test]
async fn replicas_on_one_database_share_keys_users_and_sessions() {
    let url = kit_testing::postgres_url().await;
    let args = ["--database-url", url.as_str()];
    let (one, two) = tokio::join!(start_with(&args), start_with(&args));
    let tokens = one.sign_in("alice", "alice-password").await.unwrap();
    let request = RefreshRequest { refresh_token: tokens.refresh_token };
    two.grpc.clone().refresh(request.clone()).await.unwrap();
    one.grpc.clone().refresh(request).await.unwrap_err();
    let keys = one.get("/jwks.json").await.text().await.unwrap();
    assert_eq!(two.get("/jwks.json").await.text().await.unwrap(), keys);
}
