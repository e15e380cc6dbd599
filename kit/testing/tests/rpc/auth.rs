//! Tokens over real sockets: a service that asks who calls, and an issuer on loopback.

use std::time::Duration;

use clap::Parser as _;
use futures_util::future::join_all;
use kit_rpc::{
    auth::{AuthArgs, Caller, ServiceIdentity},
    server::ServerArgs,
};
use kit_service::Env;
use kit_testing::{
    TestIssuer,
    echo::{Client, Echo, Running, serve, server_with},
};
use oxcart_proto::{Reason, error::info};
use secrecy::SecretString;
use serde_json::json;
use time::{OffsetDateTime, macros::datetime};
use tonic::{Code, Request, Status, metadata::MetadataValue};

const START: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

struct House {
    issuer: TestIssuer,
    env: Env,
    client: Client,
    _server: Running,
}

/// Answers "user" with the user, "service SCOPE" with the service.
async fn house() -> House {
    let env = Env::seeded(1, START);
    let issuer = TestIssuer::start_with(env.clone()).await;
    let echo = Echo::new(|request: Request<String>| async move {
        let caller = Caller::of(&request);
        match request.get_ref().strip_prefix("service ") {
            None => caller.user().map(|user| user.to_string()),
            Some(scope) => {
                caller.service(scope)?;
                let user = caller.user().map(|user| user.to_string()).unwrap_or_default();
                Ok(format!("{} for {user}", caller.service_id().unwrap_or_default()))
            }
        }
    });
    let server = server_with(&ServerArgs::default(), echo);
    let server = serve(server.authenticator(issuer.authenticator())).await;
    House { issuer, env, client: server.client(), _server: server }
}

impl House {
    async fn ask(&self, what: &str, tokens: &[(&'static str, &str)]) -> Result<String, Status> {
        let mut request = Request::new(what.to_owned());
        for (name, token) in tokens {
            let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
            request.metadata_mut().append(*name, value);
        }
        self.client.send(request).await
    }

    async fn user_of(&self, token: &str) -> Result<String, Status> {
        self.ask("user", &[("authorization", token)]).await
    }
}

fn reason(status: &Status) -> Option<Reason> {
    info(status).map(|info| info.reason)
}

#[tokio::test]
async fn a_good_token_names_the_user() {
    let house = house().await;
    assert_eq!(house.user_of(&house.issuer.user_token("alice")).await.unwrap(), "alice");
}

#[tokio::test]
async fn without_a_token_the_answer_says_where_to_sign_in() {
    let house = house().await;
    let refused = house.ask("user", &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let info = info(&refused).unwrap();
    assert_eq!(info.reason, Reason::SignInRequired);
    assert_eq!(info.metadata["issuer"], house.issuer.url());
    assert_eq!(info.metadata["sign_in"], house.issuer.args().sign_in);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_with_the_reason_and_never_repeated() {
    let house = house().await;
    let issuer = &house.issuer;
    let good = issuer.user_token("alice");
    let (head, signature) = good.rsplit_once('.').unwrap();
    // Not the last character: some of its bits count for nothing.
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{first}{}", &signature[1..]);
    let now = START.unix_timestamp();
    let cases = [
        (issuer.expired_token("alice"), "has expired"),
        (issuer.user_token_with("alice", &json!({ "nbf": now + 60 })), "is not valid yet"),
        (issuer.wrong_audience("alice"), "is for another audience"),
        (issuer.user_token_with("alice", &json!({ "iss": "http://evil" })), "is of another issuer"),
        (issuer.user_token_with("alice", &json!({ "sub": null })), "lacks one of the claims"),
        (issuer.user_token_with("", &json!({})), "not a user's id"),
        (issuer.unsigned("alice"), "an algorithm that is not trusted"),
        (issuer.wrong_key("alice"), "is not signed by the issuer"),
        (issuer.unknown_key("alice"), "a key that the issuer does not have"),
        (format!("{head}.{tampered}"), "is not signed by the issuer"),
        (head.to_owned(), "is malformed"),
        ("x".repeat(9_000), "is over 8192 bytes"),
        ("nonsense".to_owned(), "is malformed"),
    ];
    for (token, why) in cases {
        let refused = house.user_of(&token).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused)),
            (Code::Unauthenticated, Some(Reason::TokenInvalid))
        );
        assert!(refused.message().contains(why), "{why}: {refused}");
        assert!(!refused.message().contains(&token), "{refused}");
        assert_eq!(info(&refused).unwrap().metadata["issuer"], house.issuer.url());
    }
}

#[tokio::test]
async fn the_header_must_be_one_bearer_token() {
    let house = house().await;
    let token = house.issuer.user_token("alice");
    let twice = [("authorization", token.as_str()), ("authorization", token.as_str())];
    assert_eq!(reason(&house.ask("user", &twice).await.unwrap_err()), Some(Reason::TokenInvalid));
    let mut request = Request::new("user".to_owned());
    request.metadata_mut().insert("authorization", MetadataValue::from_static("Basic abc"));
    let refused = house.client.send(request).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::TokenInvalid));
}

#[tokio::test]
async fn a_token_expires_by_the_services_own_clock() {
    let house = house().await;
    let token = house.issuer.user_token("alice");
    assert!(house.user_of(&token).await.is_ok());
    house.env.advance(Duration::from_secs(904));
    assert!(house.user_of(&token).await.is_ok(), "clocks may differ by 5 s");
    house.env.advance(Duration::from_secs(1));
    assert!(house.user_of(&token).await.is_err());
}

#[tokio::test]
async fn a_new_key_costs_one_fetch_however_many_ask() {
    let house = house().await;
    let old = house.issuer.user_token("alice");
    house.user_of(&old).await.unwrap();
    assert_eq!(house.issuer.key_requests(), 1);
    house.env.advance(Duration::from_secs(10));
    house.issuer.rotate();
    let token = house.issuer.user_token("bob");
    let answers = join_all((0..10).map(|_| house.user_of(&token))).await;
    assert!(answers.iter().all(|answer| answer.as_deref().ok() == Some("bob")), "{answers:?}");
    assert_eq!(house.issuer.key_requests(), 2);
    assert_eq!(reason(&house.user_of(&old).await.unwrap_err()), Some(Reason::TokenInvalid));
}

#[tokio::test]
async fn made_up_keys_do_not_reach_the_issuer_within_the_cooldown() {
    let house = house().await;
    house.user_of(&house.issuer.user_token("alice")).await.unwrap();
    for _ in 0..10 {
        house.user_of(&house.issuer.unknown_key("alice")).await.unwrap_err();
    }
    assert_eq!(house.issuer.key_requests(), 1);
    house.env.advance(Duration::from_secs(5));
    house.user_of(&house.issuer.unknown_key("alice")).await.unwrap_err();
    assert_eq!(house.issuer.key_requests(), 2);
}

#[tokio::test]
async fn an_issuer_that_is_down_stops_nobody_whose_key_is_known() {
    let house = house().await;
    let token = house.issuer.user_token("alice");
    house.user_of(&token).await.unwrap();
    house.issuer.set_down(true);
    house.env.advance(Duration::from_secs(400));
    for _ in 0..3 {
        assert_eq!(house.user_of(&token).await.unwrap(), "alice");
    }
    let unknown = house.user_of(&house.issuer.unknown_key("bob")).await.unwrap_err();
    assert_eq!(reason(&unknown), Some(Reason::Unavailable), "nothing is known about this token");
    house.issuer.set_down(false);
    house.env.advance(Duration::from_secs(1));
    let unknown = house.user_of(&house.issuer.unknown_key("bob")).await.unwrap_err();
    assert_eq!(reason(&unknown), Some(Reason::TokenInvalid));
}

#[tokio::test]
async fn without_any_keys_the_answer_is_to_try_again() {
    let house = house().await;
    house.issuer.set_down(true);
    let token = house.issuer.user_token("alice");
    let refused = house.user_of(&token).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::Unavailable, Some(Reason::Unavailable)));
    house.issuer.set_down(false);
    house.env.advance(Duration::from_secs(1));
    assert_eq!(house.user_of(&token).await.unwrap(), "alice");
}

#[tokio::test]
async fn a_service_needs_its_own_token_with_the_scope() {
    let house = house().await;
    let user = house.issuer.user_token("alice");
    let service = house.issuer.service_token("controller", &["cart:checkout", "payment:charge"]);
    let ask = async |tokens: &[(&'static str, &str)]| {
        house.ask("service cart:checkout", tokens).await.map_err(|status| reason(&status))
    };
    let required = Err(Some(Reason::SignInRequired));
    assert_eq!(ask(&[]).await, required);
    assert_eq!(ask(&[("authorization", &user)]).await, required);
    assert_eq!(ask(&[("authorization", &service)]).await.unwrap(), "controller for ");
    let both = [("authorization", user.as_str()), ("service-authorization", service.as_str())];
    assert_eq!(ask(&both).await.unwrap(), "controller for alice");
    let poor = house.issuer.service_token("controller", &["cart:checkout2"]);
    let refused =
        house.ask("service cart:checkout", &[("authorization", &poor)]).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::PermissionDenied, Some(Reason::ScopeMissing))
    );
    assert_eq!(info(&refused).unwrap().metadata["scope"], "cart:checkout");
    assert_eq!(
        house.ask("user", &[("authorization", &service)]).await.map_err(|s| reason(&s)),
        required
    );
}

#[tokio::test]
async fn a_users_token_never_passes_for_a_services() {
    let house = house().await;
    let claims = json!({ "aud": ["oxcart", "oxcart-internal"], "scope": "cart:checkout" });
    for token in [house.issuer.user_token("alice"), house.issuer.user_token_with("alice", &claims)]
    {
        let tokens = [("service-authorization", token.as_str())];
        let refused = house.ask("service cart:checkout", &tokens).await.unwrap_err();
        assert_eq!(reason(&refused), Some(Reason::TokenInvalid));
        let tokens = [("authorization", token.as_str())];
        let refused = house.ask("service cart:checkout", &tokens).await.unwrap_err();
        assert_eq!(reason(&refused), Some(Reason::SignInRequired));
    }
}

fn identity(house: &House, secret: String) -> ServiceIdentity {
    let secret = SecretString::from(secret);
    ServiceIdentity::new(&house.issuer.url(), "controller", secret, house.env.clone())
}

#[tokio::test]
async fn a_services_token_is_fetched_once_and_renewed_after_four_fifths_of_its_life() {
    let house = house().await;
    house.issuer.grant(&["cart:checkout"]);
    let identity = identity(&house, house.issuer.client_secret());
    let bearers = join_all((0..10).map(|_| identity.bearer())).await;
    assert_eq!(house.issuer.token_requests(), 1);
    let bearer = bearers[0].as_ref().unwrap();
    assert!(bearer.is_sensitive() && !format!("{bearer:?}").contains("Bearer"));
    let mut request = Request::new("service cart:checkout".to_owned());
    request.metadata_mut().insert("authorization", bearer.clone());
    assert_eq!(house.client.send(request).await.unwrap(), "controller for ");
    house.env.advance(Duration::from_secs(719));
    identity.bearer().await.unwrap();
    assert_eq!(house.issuer.token_requests(), 1);
    house.env.advance(Duration::from_secs(1));
    identity.bearer().await.unwrap();
    assert_eq!(house.issuer.token_requests(), 2);
}

#[tokio::test]
async fn a_services_token_is_used_to_its_end_while_the_issuer_is_down() {
    let house = house().await;
    let identity = identity(&house, house.issuer.client_secret());
    let first = identity.bearer().await.unwrap();
    house.issuer.set_down(true);
    house.env.advance(Duration::from_secs(800));
    assert_eq!(identity.bearer().await.unwrap(), first);
    house.env.advance(Duration::from_secs(100));
    assert_eq!(reason(&identity.bearer().await.unwrap_err()), Some(Reason::Unavailable));
}

#[tokio::test]
async fn a_wrong_secret_gets_no_token_and_is_not_repeated() {
    let house = house().await;
    let refused = identity(&house, "hunter2".to_owned()).bearer().await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::Unavailable));
    assert!(!format!("{refused:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_believed() {
    let house = house().await;
    let other = format!("{}/", house.issuer.url());
    let secret = SecretString::from(house.issuer.client_secret());
    let identity = ServiceIdentity::new(&other, "controller", secret, house.env.clone());
    assert!(identity.bearer().await.is_err());
    assert_eq!(house.issuer.token_requests(), 0);
}

#[derive(Debug, clap::Parser)]
struct Flags {
    #[command(flatten)]
    auth: AuthArgs,
}

#[test]
fn a_setting_that_can_trust_nobody_is_refused_by_name() {
    for (flag, value) in [
        ("--issuer", "localhost:8081"),
        ("--issuer", "ftp://idp"),
        ("--issuer", "http://user:secret@idp"),
        ("--issuer", ""),
        ("--sign-in", "over there"),
        ("--user-audience", ""),
        ("--service-audience", ""),
    ] {
        let refused = Flags::try_parse_from(["cart-svc", &format!("{flag}={value}")]).unwrap_err();
        assert!(refused.to_string().contains(flag), "{refused}");
    }
    let realm = "https://idp.example/realms/shop/";
    let flags = Flags::try_parse_from(["cart-svc", "--issuer", realm]).unwrap();
    assert_eq!(flags.auth.issuer, realm);
}
