//! Who calls: signing in, and tokens that are replaced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use oxcart_client::{Client, ClientCredentials, Error, Reason, Session, Token};

use crate::fake::{Fake, Fault, refusal};

#[tokio::test]
async fn a_user_signs_in_where_the_controller_says() {
    let fake = Fake::start().await;
    let client = fake.client();
    let told = client.identity_provider().await.unwrap();
    assert_eq!((told.issuer.as_str(), &told.sign_in), ("the fake", &fake.url));
    let alice = client.sign_in("alice", "alice-password").await.unwrap();
    assert_eq!(alice.storefront(0).await.unwrap().items.len(), 5);
    let error = client.sign_in("alice", "hunter2").await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::CredentialsWrong));
    assert!(error.needs_sign_in() && !format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_controller_that_names_no_address_needs_one_from_the_program() {
    let fake = Fake::start().await;
    fake.state().is_mute = true;
    assert_eq!(fake.client().identity_provider().await.unwrap().issuer, "the fake");
    let error = fake.client().sign_in("alice", "alice-password").await.unwrap_err();
    assert!(matches!(&error, Error::NoSignIn { url } if *url == fake.url), "{error}");
    let client = Client::builder(&fake.url).sign_in_at(&fake.url).build().unwrap();
    client.sign_in("alice", "alice-password").await.unwrap();
}

#[tokio::test]
async fn signing_in_is_repeated_as_any_call() {
    let fake = Fake::start().await;
    fake.script("SignIn", [Fault::LoseAnswer, Fault::Refuse(refusal(Reason::Unavailable))]);
    fake.alice().await.storefront(0).await.unwrap();
    assert_eq!(fake.count("SignIn"), 3);
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once_for_all_tasks() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    fake.revoke_tokens();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let alice = alice.clone();
            tokio::spawn(async move { alice.storefront(0).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((fake.count("Refresh"), fake.count("SignIn")), (1, 1));
}

#[tokio::test]
async fn a_token_is_refreshed_before_it_expires() {
    let fake = Fake::start().await;
    fake.state().token_life_seconds = 1;
    let alice = fake.alice().await;
    fake.state().token_life_seconds = 900;
    tokio::time::sleep(Duration::from_millis(850)).await;
    alice.storefront(0).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fake.count("Refresh"), 1);
    alice.storefront(0).await.unwrap();
    assert_eq!((fake.count("Refresh"), fake.count("SignIn")), (1, 1));
}

#[tokio::test]
async fn a_session_that_has_ended_says_so() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    fake.revoke_tokens();
    fake.script("Refresh", [Fault::Refuse(refusal(Reason::RefreshTokenInvalid))]);
    let error = alice.storefront(0).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::RefreshTokenInvalid));
    assert!(error.needs_sign_in());
}

#[tokio::test]
async fn an_identity_provider_that_is_away_for_a_moment_costs_no_call() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    fake.revoke_tokens();
    fake.script("Refresh", vec![Fault::LoseRequest; 3]);
    alice.storefront(0).await.unwrap();
    assert_eq!(fake.count("Refresh"), 4);
}

#[tokio::test]
async fn an_impersonated_user_gets_another_token_when_one_is_refused() {
    let fake = Fake::start().await;
    let trusted = ClientCredentials::new("loadgen", "loadgen-secret");
    let grace = fake.client().impersonate(trusted, "grace");
    assert_eq!(fake.count("ImpersonateUser"), 0, "the token is asked for when it is needed");
    grace.storefront(0).await.unwrap();
    fake.revoke_tokens();
    grace.storefront(0).await.unwrap();
    assert_eq!((fake.count("ImpersonateUser"), fake.count("Refresh")), (2, 0));
}

#[tokio::test]
async fn a_token_from_elsewhere_serves_until_it_is_refused() {
    let fake = Fake::start().await;
    let token = fake.alice().await.session().token().await.unwrap();
    let alice = fake.client().shopper(Session::with_token(token).unwrap());
    alice.storefront(0).await.unwrap();
    fake.revoke_tokens();
    let error = alice.storefront(0).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::TokenInvalid));
}

#[tokio::test]
async fn a_source_of_tokens_is_asked_again_when_one_is_refused() {
    let fake = Fake::start().await;
    let source = fake.alice().await.session().clone();
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let session = Session::from_source(move || {
        let (source, number) = (source.clone(), count.fetch_add(1, Ordering::SeqCst));
        async move {
            let good = source.token().await?;
            Ok(if number == 0 { Token::new("stale") } else { Token::new(good) })
        }
    });
    fake.client().shopper(session).storefront(0).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_generated_client_sends_the_token_of_the_session() {
    let fake = Fake::start().await;
    let mut controller = fake.alice().await.controller().await.unwrap();
    let request = oxcart_proto::controller::ListItemsRequest::default();
    assert_eq!(controller.list_items(request.clone()).await.unwrap().into_inner().items.len(), 5);
    fake.revoke_tokens();
    assert!(controller.list_items(request).await.is_err());
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let fake = Fake::start().await;
    let client = fake.client();
    let alice = client.sign_in("alice", "alice-password").await.unwrap();
    let trusted = ClientCredentials::new("loadgen", "loadgen-secret");
    let bob = client.impersonate(trusted.clone(), "bob");
    bob.storefront(0).await.unwrap();
    let shown = format!("{client:?} {alice:?} {bob:?} {trusted:?}");
    for secret in ["alice-password", "loadgen-secret", "access-", "refresh-"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}
