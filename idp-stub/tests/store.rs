//! One suite of rules, held against every store.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use idp_stub::{
    domain::{
        AuthorizationCode, Challenge, Client, RefreshToken, Scopes, SecretHash, Session, StoredKey,
        User,
    },
    store::{IdpStore, MIGRATIONS, open},
};
use kit_database::Database;
use time::{Duration, OffsetDateTime, macros::datetime};
use uuid::Uuid;

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00:00.123456 UTC);

type Store = Arc<dyn IdpStore>;

async fn migrated(database: Database) -> Store {
    database.migrate(&MIGRATIONS).await.unwrap();
    open(&database)
}

macro_rules! on_every_store {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::migrated(super::Database::Memory).await).await;
            })*
        }

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                let (database, _folder) = kit_testing::sqlite("idp").await;
                super::$rule(super::migrated(database).await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $rule() {
                let database = kit_testing::postgres("idp").await;
                super::$rule(super::migrated(database).await).await;
            })*
        }
    };
}

on_every_store!(
    replicas_that_start_at_once_share_one_key,
    a_user_reads_back_and_is_replaced_by_name,
    making_sure_of_a_user_keeps_the_password,
    a_client_reads_back_and_is_replaced_by_id,
    a_refresh_token_reads_back_with_its_session,
    of_two_that_use_one_refresh_token_one_wins,
    an_ended_session_rotates_no_more,
    a_session_is_ended_once,
    a_code_reads_back_and_is_exchanged_once,
    only_what_has_expired_is_forgotten,
);

fn key(kid: &str) -> StoredKey {
    StoredKey { generation: 1, kid: kid.into(), pkcs8: kid.as_bytes().to_vec(), created_at: NOW }
}

fn session(id: u128) -> Session {
    Session {
        id: Uuid::from_u128(id),
        user: "Zoë Müller".parse().unwrap(),
        client: Some("storefront".parse().unwrap()),
        scopes: "openid".parse().unwrap(),
        signed_in_at: NOW,
        revoked_at: None,
    }
}

fn token(secret: &str, session: &Session) -> RefreshToken {
    RefreshToken {
        hash: SecretHash::of(secret),
        session: session.id,
        expires_at: NOW + Duration::days(30),
        used_at: None,
    }
}

fn code(secret: &str) -> AuthorizationCode {
    AuthorizationCode {
        hash: SecretHash::of(secret),
        client: "storefront".parse().unwrap(),
        redirect_uri: "http://127.0.0.1:3000/callback?x=1".parse().unwrap(),
        user: "Zoë Müller".parse().unwrap(),
        scopes: "openid".parse().unwrap(),
        challenge: Challenge::of("verifier"),
        nonce: Some("n'1".into()),
        session: Uuid::from_u128(7),
        signed_in_at: NOW,
        expires_at: NOW + Duration::minutes(1),
        used_at: None,
    }
}

async fn replicas_that_start_at_once_share_one_key(store: Store) {
    assert!(store.signing_keys().await.unwrap().is_empty());
    let (one, two) = (key("one"), key("two"));
    let (a, b) = tokio::join!(store.add_signing_key(&one), store.add_signing_key(&two));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!((a.len(), &a), (1, &b));
    assert!(a[0] == one || a[0] == two);
    assert_eq!(store.signing_keys().await.unwrap(), a);
}

async fn a_user_reads_back_and_is_replaced_by_name(store: Store) {
    let user = User { name: "Zoë Müller".parse().unwrap(), password_hash: Some("a".into()) };
    assert_eq!(store.user(&user.name).await.unwrap(), None);
    store.put_user(&user).await.unwrap();
    assert_eq!(store.user(&user.name).await.unwrap().as_ref(), Some(&user));
    let changed = User { password_hash: Some("b".into()), ..user };
    store.put_user(&changed).await.unwrap();
    assert_eq!(store.user(&changed.name).await.unwrap().as_ref(), Some(&changed));
    let other_case = "zoë müller".parse().unwrap();
    assert_eq!(store.user(&other_case).await.unwrap(), None);
}

async fn making_sure_of_a_user_keeps_the_password(store: Store) {
    let user = User { name: "alice".parse().unwrap(), password_hash: Some("a".into()) };
    store.put_user(&user).await.unwrap();
    store.ensure_user(&user.name).await.unwrap();
    assert_eq!(store.user(&user.name).await.unwrap().as_ref(), Some(&user));
    let new = "customer-1".parse().unwrap();
    let (a, b) = tokio::join!(store.ensure_user(&new), store.ensure_user(&new));
    a.and(b).unwrap();
    let made = store.user(&new).await.unwrap().unwrap();
    assert_eq!(made.password_hash, None);
}

async fn a_client_reads_back_and_is_replaced_by_id(store: Store) {
    let client = Client {
        id: "storefront".parse().unwrap(),
        secret_hash: Some(SecretHash::of("secret")),
        scopes: "catalog:write payment:read".parse().unwrap(),
        redirect_uris: vec!["http://a/cb?x=1".parse().unwrap(), "https://b".parse().unwrap()],
        may_impersonate: true,
    };
    assert_eq!(store.client(&client.id).await.unwrap(), None);
    store.put_client(&client).await.unwrap();
    assert_eq!(store.client(&client.id).await.unwrap().as_ref(), Some(&client));
    let bare = Client {
        secret_hash: None,
        scopes: Scopes::default(),
        redirect_uris: Vec::new(),
        may_impersonate: false,
        ..client
    };
    store.put_client(&bare).await.unwrap();
    assert_eq!(store.client(&bare.id).await.unwrap().as_ref(), Some(&bare));
}

async fn a_refresh_token_reads_back_with_its_session(store: Store) {
    let without_client = Session { client: None, scopes: Scopes::default(), ..session(2) };
    for (secret, session) in [("a", session(1)), ("b", without_client)] {
        let token = token(secret, &session);
        store.begin_session(&session, &token).await.unwrap();
        let found = store.refresh_token(&token.hash).await.unwrap();
        assert_eq!(found, Some((token, session)));
    }
    assert_eq!(store.refresh_token(&SecretHash::of("c")).await.unwrap(), None);
}

async fn of_two_that_use_one_refresh_token_one_wins(store: Store) {
    let session = session(1);
    let first = token("first", &session);
    store.begin_session(&session, &first).await.unwrap();
    let successors: Vec<_> = (0..8).map(|n| token(&format!("next-{n}"), &session)).collect();
    let tries = successors.iter().cloned().map(|successor| {
        let (store, used) = (Arc::clone(&store), first.hash);
        tokio::spawn(async move { store.rotate(&used, &successor, NOW).await.unwrap() })
    });
    let mut won = Vec::new();
    for (attempt, successor) in tries.collect::<Vec<_>>().into_iter().zip(&successors) {
        if attempt.await.unwrap() {
            won.push(successor.hash);
        }
    }
    assert_eq!(won.len(), 1);
    for successor in &successors {
        let kept = store.refresh_token(&successor.hash).await.unwrap().is_some();
        assert_eq!(kept, won.contains(&successor.hash));
    }
    let (used, _) = store.refresh_token(&first.hash).await.unwrap().unwrap();
    assert_eq!(used.used_at, Some(NOW));
}

async fn an_ended_session_rotates_no_more(store: Store) {
    let session = session(1);
    let first = token("first", &session);
    store.begin_session(&session, &first).await.unwrap();
    store.end_session(session.id, NOW).await.unwrap();
    let next = token("next", &session);
    assert!(!store.rotate(&first.hash, &next, NOW).await.unwrap());
    let (kept, ended) = store.refresh_token(&first.hash).await.unwrap().unwrap();
    assert_eq!((kept.used_at, ended.revoked_at), (None, Some(NOW)));
    assert_eq!(store.refresh_token(&next.hash).await.unwrap(), None);
}

async fn a_session_is_ended_once(store: Store) {
    let session = session(1);
    let token = token("first", &session);
    store.begin_session(&session, &token).await.unwrap();
    store.end_session(session.id, NOW).await.unwrap();
    store.end_session(session.id, NOW + Duration::hours(1)).await.unwrap();
    store.end_session(Uuid::from_u128(99), NOW).await.unwrap();
    let (_, ended) = store.refresh_token(&token.hash).await.unwrap().unwrap();
    assert_eq!(ended.revoked_at, Some(NOW));
}

async fn a_code_reads_back_and_is_exchanged_once(store: Store) {
    let bare = AuthorizationCode { nonce: None, scopes: Scopes::default(), ..code("bare") };
    for kept in [code("code"), bare] {
        assert_eq!(store.code(&kept.hash).await.unwrap(), None);
        store.add_code(&kept).await.unwrap();
        assert_eq!(store.code(&kept.hash).await.unwrap().as_ref(), Some(&kept));
    }
    let code = code("code");
    let session = code.to_session();
    let tries = (0..8).map(|n| {
        let (store, session) = (Arc::clone(&store), session.clone());
        let (used, token) = (code.hash, token(&format!("token-{n}"), &session));
        tokio::spawn(
            async move { store.exchange_code(&used, &session, &token, NOW).await.unwrap() },
        )
    });
    let mut wins = 0;
    for attempt in tries.collect::<Vec<_>>() {
        wins += usize::from(attempt.await.unwrap());
    }
    assert_eq!(wins, 1);
    assert_eq!(store.code(&code.hash).await.unwrap().unwrap().used_at, Some(NOW));
}

async fn only_what_has_expired_is_forgotten(store: Store) {
    let (old, live) = (session(1), session(2));
    let old_token = RefreshToken { expires_at: NOW, ..token("old", &old) };
    store.begin_session(&old, &old_token).await.unwrap();
    let live_token = token("live", &live);
    store.begin_session(&live, &live_token).await.unwrap();
    let old_code = AuthorizationCode { expires_at: NOW, ..code("old") };
    store.add_code(&old_code).await.unwrap();
    store.add_code(&code("live")).await.unwrap();
    store.purge(NOW + Duration::microseconds(1)).await.unwrap();
    assert_eq!(store.refresh_token(&old_token.hash).await.unwrap(), None);
    assert!(store.refresh_token(&live_token.hash).await.unwrap().is_some());
    assert_eq!(store.code(&old_code.hash).await.unwrap(), None);
    assert!(store.code(&SecretHash::of("live")).await.unwrap().is_some());
    // The session went with its last token, so its id is free again.
    store.begin_session(&old, &token("again", &old)).await.unwrap();
}
