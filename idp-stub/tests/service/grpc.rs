//! The contract's RPCs.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use oxcart_proto::{
    Reason,
    error::{bad_fields, info, retry_delay},
    idp::{
        GetJwksRequest, ImpersonateUserRequest, IssueServiceTokenRequest, RefreshRequest,
        UserTokens,
    },
};
use tonic::{Code, Status};

use crate::harness::{Running, claims, start, start_with};

fn reason(status: &Status) -> Reason {
    info(status).unwrap().reason
}

async fn refresh(idp: &Running, token: &str) -> Result<UserTokens, Status> {
    let request = RefreshRequest { refresh_token: token.into() };
    Ok(idp.grpc.clone().refresh(request).await?.into_inner().tokens.unwrap())
}

async fn service_token(
    idp: &Running,
    id: &str,
    secret: &str,
    scopes: &[&str],
) -> Result<String, Status> {
    let request = IssueServiceTokenRequest {
        client_id: id.into(),
        client_secret: secret.into(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
    };
    Ok(idp.grpc.clone().issue_service_token(request).await?.into_inner().access_token)
}

async fn impersonate(
    idp: &Running,
    (id, secret): (&str, &str),
    user: &str,
) -> Result<UserTokens, Status> {
    let request = ImpersonateUserRequest {
        client_id: id.into(),
        client_secret: secret.into(),
        username: user.into(),
    };
    Ok(idp.grpc.clone().impersonate_user(request).await?.into_inner().tokens.unwrap())
}

#[tokio::test]
async fn signing_in_gives_a_token_of_the_user() {
    let idp = start().await;
    let tokens = idp.sign_in("alice", "alice-password").await.unwrap();
    let claims = claims(&tokens.access_token);
    let now = idp.env.now().unix_timestamp();
    assert_eq!(claims["iss"], idp.issuer);
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["aud"], "oxcart");
    assert_eq!(claims["exp"], now + 900);
    assert_eq!((&claims["iat"], &claims["nbf"]), (&now.into(), &now.into()));
    assert_eq!(tokens.expires_in.unwrap().seconds, 900);
    let again = idp.sign_in("alice", "alice-password").await.unwrap();
    assert_ne!(again.refresh_token, tokens.refresh_token);
    assert_ne!(self::claims(&again.access_token)["jti"], claims["jti"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let idp = start().await;
    let wrong = idp.sign_in("alice", "bob-password").await.unwrap_err();
    let unknown = idp.sign_in("nobody", "bob-password").await.unwrap_err();
    assert_eq!(wrong.code(), Code::Unauthenticated);
    assert_eq!(reason(&wrong), Reason::CredentialsWrong);
    assert_eq!((wrong.message(), wrong.details()), (unknown.message(), unknown.details()));
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let idp = start().await;
    let long = "x".repeat(1_000_000);
    for (username, password) in [("", ""), (" a", &long), (&long, ""), ("a\u{0}b", "")] {
        let status = idp.sign_in(username, password).await.unwrap_err();
        let fields: Vec<_> = bad_fields(&status).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["username", "password"]);
        assert_eq!(reason(&status), Reason::FieldInvalid);
    }
    let scopes = vec!["a"; 21];
    let status = service_token(&idp, "a b", "", &scopes).await.unwrap_err();
    let fields: Vec<_> = bad_fields(&status).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["client_id", "client_secret", "scopes"]);
    for token in ["", &long] {
        let status = refresh(&idp, token).await.unwrap_err();
        assert_eq!(bad_fields(&status)[0].0, "refresh_token");
    }
}

#[tokio::test]
async fn guessing_a_password_is_slowed_down_for_a_minute() {
    let idp = start().await;
    for user in ["alice", "nobody"] {
        for _ in 0..10 {
            let status = idp.sign_in(user, "guess").await.unwrap_err();
            assert_eq!(reason(&status), Reason::CredentialsWrong);
        }
        let status = idp.sign_in(user, "alice-password").await.unwrap_err();
        assert_eq!(reason(&status), Reason::Overloaded);
        assert_eq!(retry_delay(&status), Some(Duration::from_mins(1)));
    }
    assert!(idp.sign_in("bob", "bob-password").await.is_ok());
    idp.env.advance(Duration::from_mins(1));
    assert!(idp.sign_in("alice", "alice-password").await.is_ok());
}

#[tokio::test]
async fn sign_ins_beyond_the_queue_are_told_when_to_come_back() {
    let idp = start_with(&["--database-url", "memory:", "--password-checks", "1"]).await;
    let sign_ins = (0..200).map(|_| idp.sign_in("alice", "alice-password"));
    let (served, refused): (Vec<_>, Vec<_>) =
        join_all(sign_ins).await.into_iter().partition(Result::is_ok);
    assert!(!served.is_empty() && refused.len() >= 40, "{} were served", served.len());
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(reason(&status), Reason::Overloaded);
        assert_eq!(retry_delay(&status), Some(Duration::from_secs(1)));
    }
}

#[tokio::test]
async fn a_refresh_token_gives_new_tokens_once() {
    let idp = start().await;
    let first = idp.sign_in("alice", "alice-password").await.unwrap();
    idp.env.advance(Duration::from_hours(24));
    let second = refresh(&idp, &first.refresh_token).await.unwrap();
    assert_ne!(second.refresh_token, first.refresh_token);
    let claims = claims(&second.access_token);
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["iat"], idp.env.now().unix_timestamp());
    let third = refresh(&idp, &second.refresh_token).await.unwrap();

    // Used again, an old one ends the whole session.
    let status = refresh(&idp, &first.refresh_token).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(reason(&status), Reason::RefreshTokenInvalid);
    let status = refresh(&idp, &third.refresh_token).await.unwrap_err();
    assert_eq!(reason(&status), Reason::RefreshTokenInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_one_refresh_token_one_at_most_is_served() {
    let idp = start().await;
    let first = idp.sign_in("alice", "alice-password").await.unwrap();
    let tries = (0..16).map(|_| {
        let (mut grpc, refresh_token) = (idp.grpc.clone(), first.refresh_token.clone());
        tokio::spawn(async move { grpc.refresh(RefreshRequest { refresh_token }).await.is_ok() })
    });
    let mut served = 0;
    for attempt in tries.collect::<Vec<_>>() {
        served += usize::from(attempt.await.unwrap());
    }
    assert_eq!(served, 1);
}

#[tokio::test]
async fn a_refresh_token_expires_and_rubbish_is_refused() {
    let idp = start().await;
    let first = idp.sign_in("alice", "alice-password").await.unwrap();
    idp.env.advance(Duration::from_hours(30 * 24));
    for token in [first.refresh_token.as_str(), "rubbish", &first.access_token[..255], "é"] {
        let status = refresh(&idp, token).await.unwrap_err();
        assert_eq!(reason(&status), Reason::RefreshTokenInvalid);
    }
}

#[tokio::test]
async fn a_service_gets_the_scopes_that_it_may_have() {
    let idp = start().await;
    let all = service_token(&idp, "controller", "controller-secret", &[]).await.unwrap();
    let claims = claims(&all);
    assert_eq!((&claims["sub"], &claims["aud"]), (&"controller".into(), &"oxcart-internal".into()));
    assert_eq!(claims["scope"], "cart:checkout payment:charge payment:tokenize");

    let one = service_token(&idp, "controller", "controller-secret", &["payment:charge"]).await;
    assert_eq!(self::claims(&one.unwrap())["scope"], "payment:charge");

    let wanted = ["payment:charge", "payment:refund"];
    let refused = service_token(&idp, "controller", "controller-secret", &wanted).await;
    let status = refused.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(info(&status).unwrap().metadata["scope"], "payment:refund");
}

#[tokio::test]
async fn a_client_that_proves_nothing_gets_nothing() {
    let idp = start().await;
    for (id, secret) in [
        ("controller", "admin-secret"),
        ("nobody", "controller-secret"),
        ("browser", "controller-secret"),
    ] {
        let status = service_token(&idp, id, secret, &[]).await.unwrap_err();
        assert_eq!(reason(&status), Reason::CredentialsWrong, "{id}");
        let status = impersonate(&idp, (id, secret), "alice").await.unwrap_err();
        assert_eq!(reason(&status), Reason::CredentialsWrong, "{id}");
    }
}

#[tokio::test]
async fn only_a_trusted_client_gets_a_users_token_without_a_password() {
    let idp = start().await;
    let loadgen = ("loadgen", "loadgen-secret");
    for user in ["customer-17850", "customer-17850", "alice"] {
        let tokens = impersonate(&idp, loadgen, user).await.unwrap();
        let claims = claims(&tokens.access_token);
        assert_eq!((&claims["sub"], &claims["aud"]), (&user.into(), &"oxcart".into()));
        assert_eq!(tokens.refresh_token, "");
    }
    let status = impersonate(&idp, ("admin", "admin-secret"), "alice").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);

    // Who was made on the way has no password, and who has one keeps it.
    assert!(idp.sign_in("customer-17850", "customer-17850").await.is_err());
    assert!(idp.sign_in("alice", "alice-password").await.is_ok());
}

#[tokio::test]
async fn the_keys_are_those_of_the_http_side_and_public_only() {
    let idp = start().await;
    let answer = idp.grpc.clone().get_jwks(GetJwksRequest {}).await.unwrap();
    let over_grpc = answer.into_inner().jwks_json;
    assert_eq!(over_grpc, idp.get("/jwks.json").await.text().await.unwrap());
    let keys: serde_json::Value = serde_json::from_str(&over_grpc).unwrap();
    let names: HashSet<_> = keys["keys"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["kty", "crv", "use", "alg", "kid", "x", "y"].map(String::from).into());
}
