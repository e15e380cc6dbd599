//! Discovery and `POST /token` for services.

use serde_json::Value;

use crate::harness::{Running, claims, json, start};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const CONTROLLER: (&str, &str) = ("controller", "controller-secret");

async fn token(idp: &Running, client: Option<(&str, &str)>, form: &[(&str, &str)]) -> (u16, Value) {
    json(idp.post("/token", client, form).await).await
}

#[tokio::test]
async fn every_address_of_the_discovery_document_answers() {
    let idp = start().await;
    let (status, document) = json(idp.get("/.well-known/openid-configuration").await).await;
    assert_eq!((status, &document["issuer"]), (200, &idp.issuer.clone().into()));
    let endpoints = document.as_object().unwrap().iter();
    let endpoints =
        endpoints.filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    let mut count = 0;
    for (name, url) in endpoints {
        let answer = idp.http.get(url.as_str().unwrap()).send().await.unwrap();
        assert_ne!(answer.status().as_u16(), 404, "{name}");
        count += 1;
    }
    assert_eq!(count, 5);
    for grant in document["grant_types_supported"].as_array().unwrap() {
        let form = [("grant_type", grant.as_str().unwrap())];
        let (_, answer) = token(&idp, Some(CONTROLLER), &form).await;
        assert_ne!(answer["error"], "unsupported_grant_type", "{grant}");
    }
}

#[tokio::test]
async fn a_service_may_prove_itself_in_the_header_or_in_the_body() {
    let idp = start().await;
    let (status, by_header) = token(&idp, Some(CONTROLLER), &[GRANT]).await;
    assert_eq!((status, &by_header["token_type"]), (200, &"Bearer".into()));
    assert_eq!(by_header["expires_in"], 900);
    assert_eq!(by_header["scope"], "cart:checkout payment:charge payment:tokenize");
    assert_eq!(by_header.get("refresh_token"), None);
    let form = [
        GRANT,
        ("client_id", "controller"),
        ("client_secret", "controller-secret"),
        ("scope", "cart:checkout"),
    ];
    let (status, by_body) = token(&idp, None, &form).await;
    assert_eq!((status, &by_body["scope"]), (200, &"cart:checkout".into()));
    let claims = claims(by_body["access_token"].as_str().unwrap());
    assert_eq!((&claims["sub"], &claims["scope"]), (&"controller".into(), &"cart:checkout".into()));
}

#[tokio::test]
async fn an_answer_with_a_token_is_kept_by_no_cache() {
    let idp = start().await;
    let answer = idp.post("/token", Some(CONTROLLER), &[GRANT]).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn who_proves_nothing_is_challenged() {
    let idp = start().await;
    for client in [
        Some(("controller", "admin-secret")),
        Some(("controller", "")),
        Some(("nobody", "controller-secret")),
        Some(("a b", "x")),
        None,
    ] {
        let answer = idp.post("/token", client, &[GRANT]).await;
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"));
        let (status, body) = json(answer).await;
        assert_eq!((status, &body["error"]), (401, &"invalid_client".into()), "{client:?}");
    }
}

#[tokio::test]
async fn each_bad_request_is_refused_by_its_name() {
    let idp = start().await;
    let long = "x".repeat(300);
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[], "invalid_request"),
        (&[("grant_type", "")], "invalid_request"),
        (&[("grant_type", "password")], "unsupported_grant_type"),
        (&[GRANT, GRANT], "invalid_request"),
        (&[GRANT, ("client_secret", "controller-secret")], "invalid_request"),
        (&[GRANT, ("client_id", "admin")], "invalid_request"),
        (&[GRANT, ("scope", "payment:refund")], "invalid_scope"),
        (&[GRANT, ("scope", "a  b")], "invalid_scope"),
        (&[("grant_type", "refresh_token"), ("refresh_token", &long)], "invalid_request"),
    ];
    for (form, wanted) in cases {
        let (status, body) = token(&idp, Some(CONTROLLER), form).await;
        assert_eq!((status, &body["error"]), (400, &wanted.into()), "{form:?}");
        assert!(body["error_description"].is_string());
    }
    let (_, body) = token(&idp, None, &[GRANT, ("client_id", "browser")]).await;
    assert_eq!(body["error"], "unauthorized_client");
}

#[tokio::test]
async fn a_body_that_is_no_form_or_too_large_is_refused() {
    let idp = start().await;
    let url = format!("{}/token", idp.issuer);
    let plain = idp.http.post(&url).body("grant_type=client_credentials").send().await.unwrap();
    assert_eq!(json(plain).await.0, 400);
    let long = "x".repeat(64 * 1024);
    let (status, body) = token(&idp, Some(CONTROLLER), &[GRANT, ("x", &long)]).await;
    assert_eq!((status, &body["error"]), (413, &"invalid_request".into()));
    let form = idp.http.post(&url).header("content-type", "application/x-www-form-urlencoded");
    let rubbish = form.body(vec![0xff; 100]).send().await.unwrap();
    assert_eq!(json(rubbish).await.0, 400);
}

#[tokio::test]
async fn an_address_or_method_that_does_not_exist_is_refused_in_json() {
    let idp = start().await;
    assert_eq!(json(idp.get("/admin").await).await.0, 404);
    let (status, body) = json(idp.get("/token").await).await;
    assert_eq!((status, &body["error"]), (405, &"invalid_request".into()));
}
