//! The login page, and what a client does with the code that it gives.

use futures_util::future::join_all;
use oxcart_proto::idp::RefreshRequest;
use reqwest::{Response, Url};
use serde_json::Value;

use crate::harness::{Running, claims, json, start, start_with};

const CALLBACK: &str = "http://127.0.0.1:3000/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REQUEST: [(&str, &str); 8] = [
    ("client_id", "browser"),
    ("redirect_uri", CALLBACK),
    ("response_type", "code"),
    ("scope", "openid profile"),
    ("state", "s\"><script>&1"),
    ("nonce", "n-1"),
    ("code_challenge", CHALLENGE),
    ("code_challenge_method", "S256"),
];

/// The request with some parameters changed; an empty one is left out.
fn request<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept =
        REQUEST.into_iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
    kept.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()).collect()
}

async fn open(idp: &Running, params: &[(&str, &str)]) -> Response {
    let url = Url::parse_with_params(&format!("{}/authorize", idp.issuer), params).unwrap();
    idp.http.get(url).send().await.unwrap()
}

/// A login page as a browser has it.
struct Page {
    cookie: String,
    fields: Vec<(String, String)>,
}

async fn page(response: Response) -> Page {
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let html = response.text().await.unwrap();
    let unescape = |text: &str| {
        let text = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
        text.replace("&#39;", "'").replace("&amp;", "&")
    };
    let fields = html.split("<input type=\"hidden\" name=\"").skip(1).map(|rest| {
        let (name, rest) = rest.split_once('"').unwrap();
        let value = rest.strip_prefix(" value=\"").unwrap().split('"').next().unwrap();
        (name.to_owned(), unescape(value))
    });
    Page { cookie, fields: fields.collect() }
}

async fn submit(idp: &Running, page: &Page, user: &str, password: &str) -> Response {
    let mut fields = page.fields.clone();
    fields.push(("username".into(), user.into()));
    fields.push(("password".into(), password.into()));
    let post = idp.http.post(format!("{}/authorize", idp.issuer));
    post.header("cookie", &page.cookie).form(&fields).send().await.unwrap()
}

/// Where an answer sends the browser, and with what.
fn sent(response: &Response) -> (String, Vec<(String, String)>) {
    assert_eq!(response.status().as_u16(), 303);
    let url = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    let pairs = url.query_pairs().into_owned().collect();
    (url.as_str().split('?').next().unwrap().to_owned(), pairs)
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

async fn code(idp: &Running) -> String {
    let page = page(open(idp, &REQUEST).await).await;
    let (_, pairs) = sent(&submit(idp, &page, "alice", "alice-password").await);
    value(&pairs, "code").unwrap().to_owned()
}

async fn exchange(idp: &Running, code: &str, changes: &[(&str, &str)]) -> (u16, Value) {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "browser"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let kept = form.into_iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
    let form: Vec<_> = kept.chain(changes.iter().copied()).collect();
    json(idp.post("/token", None, &form).await).await
}

async fn refresh(idp: &Running, token: &str) -> (u16, Value) {
    let form =
        [("grant_type", "refresh_token"), ("client_id", "browser"), ("refresh_token", token)];
    json(idp.post("/token", None, &form).await).await
}

#[tokio::test]
async fn a_browser_signs_a_user_in_for_a_client() {
    let idp = start().await;
    let page = page(open(&idp, &REQUEST).await).await;
    let answer = submit(&idp, &page, "alice", "alice-password").await;
    let (place, pairs) = sent(&answer);
    assert_eq!(place, CALLBACK);
    assert_eq!(value(&pairs, "state"), Some("s\"><script>&1"));
    assert_eq!(value(&pairs, "iss"), Some(idp.issuer.as_str()));

    let (status, tokens) = exchange(&idp, value(&pairs, "code").unwrap(), &[]).await;
    assert_eq!((status, &tokens["scope"]), (200, &"openid".into()), "{tokens}");
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!((&access["sub"], &access["aud"]), (&"alice".into(), &"oxcart".into()));
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!((&id["sub"], &id["aud"]), (&"alice".into(), &"browser".into()));
    assert_eq!((&id["nonce"], &id["iss"]), (&"n-1".into(), &idp.issuer.clone().into()));

    let (status, tokens) = refresh(&idp, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["sub"], "alice");
}

#[tokio::test]
async fn the_login_page_cannot_be_framed_scripted_or_cached() {
    let idp = start().await;
    let answer = open(&idp, &REQUEST).await;
    assert_eq!(answer.status().as_u16(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(policy.contains("form-action 'self' http://127.0.0.1:3000;"), "{policy}");
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");
    let cookie = header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!answer.text().await.unwrap().contains("<script>"));
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_the_clients_is_never_followed() {
    let idp = start().await;
    for changes in [
        [("redirect_uri", "http://evil.example/callback")],
        [("redirect_uri", "http://127.0.0.1:3000/callback/")],
        [("redirect_uri", "http://127.0.0.1:3000/callback?x=1")],
        [("redirect_uri", "http://127.0.0.1:3000@evil.example/callback")],
        [("redirect_uri", "")],
        [("client_id", "controller")],
        [("client_id", "nobody")],
        [("client_id", "")],
    ] {
        let answer = open(&idp, &request(&changes)).await;
        assert_eq!(answer.status().as_u16(), 400, "{changes:?}");
        assert_eq!(answer.headers().get("location"), None, "{changes:?}");
    }
    let twice: Vec<_> = REQUEST.into_iter().chain([("redirect_uri", "http://evil/")]).collect();
    assert_eq!(open(&idp, &twice).await.status().as_u16(), 400);
}

#[tokio::test]
async fn a_request_without_pkce_or_otherwise_wrong_goes_back_as_an_error() {
    let idp = start().await;
    for (changes, wanted) in [
        ([("code_challenge", "")], "invalid_request"),
        ([("code_challenge", "short")], "invalid_request"),
        ([("code_challenge_method", "")], "invalid_request"),
        ([("code_challenge_method", "plain")], "invalid_request"),
        ([("response_type", "token")], "unsupported_response_type"),
        ([("response_mode", "fragment")], "invalid_request"),
        ([("scope", "a\"b")], "invalid_scope"),
        ([("prompt", "none")], "login_required"),
        ([("request", "x.y.z")], "request_not_supported"),
        ([("request_uri", "https://x")], "request_uri_not_supported"),
    ] {
        let (place, pairs) = sent(&open(&idp, &request(&changes)).await);
        assert_eq!(place, CALLBACK);
        assert_eq!(value(&pairs, "error"), Some(wanted), "{changes:?}");
        assert_eq!(value(&pairs, "state"), Some("s\"><script>&1"));
    }
}

#[tokio::test]
async fn a_wrong_password_shows_the_page_again_and_an_unknown_user_the_same() {
    let idp = start().await;
    let page = page(open(&idp, &REQUEST).await).await;
    let mut texts = Vec::new();
    for (user, password) in [("alice", "wrong"), ("nobody", "wrong"), ("", ""), ("a\nb", "x")] {
        let answer = submit(&idp, &page, user, password).await;
        assert_eq!(answer.status().as_u16(), 400);
        texts.push(answer.text().await.unwrap());
    }
    assert!(texts[0].contains("The user name or password is wrong."));
    assert!(texts.iter().all(|text| *text == texts[0]));
    assert_eq!(submit(&idp, &page, "alice", "alice-password").await.status().as_u16(), 303);
}

#[tokio::test]
async fn a_sign_in_beyond_the_queue_shows_the_page_again_and_when_to_come_back() {
    let idp = start_with(&["--database-url", "memory:", "--password-checks", "1"]).await;
    let page = page(open(&idp, &REQUEST).await).await;
    let crowd = join_all((0..120).map(async |_| {
        loop {
            let _ = idp.sign_in("bob", "bob-password").await;
        }
    }));
    let refused = async {
        loop {
            let answer = submit(&idp, &page, "alice", "alice-password").await;
            if answer.status().as_u16() != 303 {
                return answer;
            }
        }
    };
    let answer = tokio::select! {
        _ = crowd => unreachable!("the crowd goes on"),
        answer = refused => answer,
    };
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert!(answer.text().await.unwrap().contains("Too many people are signing in."));
}

#[tokio::test]
async fn a_form_that_another_site_posts_signs_nobody_in() {
    let idp = start().await;
    let good = page(open(&idp, &REQUEST).await).await;
    let other = page(open(&idp, &REQUEST).await).await;
    let foreign_cookie = Page { cookie: other.cookie, fields: good.fields.clone() };
    let no_cookie = Page { cookie: "x=1".into(), fields: good.fields.clone() };
    let fields = good.fields.iter().map(|(name, value)| {
        let value = if name == "form" { "guess".to_owned() } else { value.clone() };
        (name.clone(), value)
    });
    let guessed = Page { cookie: good.cookie.clone(), fields: fields.collect() };
    for page in [foreign_cookie, no_cookie, guessed] {
        let answer = submit(&idp, &page, "alice", "alice-password").await;
        assert_eq!(answer.status().as_u16(), 403);
    }
    let mut fields = good.fields.clone();
    fields.extend([
        ("username".into(), "alice".into()),
        ("password".into(), "alice-password".into()),
    ]);
    let post = idp.http.post(format!("{}/authorize", idp.issuer)).form(&fields);
    let cross = post.header("cookie", &good.cookie).header("sec-fetch-site", "cross-site");
    assert_eq!(cross.send().await.unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn a_code_is_worthless_to_whoever_did_not_ask_for_it() {
    let idp = start().await;
    let code = code(&idp).await;
    for change in [
        ("code_verifier", "eBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ("redirect_uri", "http://localhost:3000/callback"),
        ("code", "guess"),
    ] {
        let (status, body) = exchange(&idp, &code, &[change]).await;
        assert_eq!((status, &body["error"]), (400, &"invalid_grant".into()), "{change:?}");
    }
    let other = [("client_id", "controller"), ("client_secret", "controller-secret")];
    assert_eq!(exchange(&idp, &code, &other).await.1["error"], "invalid_grant");
    assert_eq!(exchange(&idp, &code, &[]).await.0, 200);
}

#[tokio::test]
async fn a_code_that_is_used_twice_ends_the_session() {
    let idp = start().await;
    let code = code(&idp).await;
    let (_, tokens) = exchange(&idp, &code, &[]).await;
    assert_eq!(exchange(&idp, &code, &[]).await.1["error"], "invalid_grant");
    let (status, body) = refresh(&idp, tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &body["error"]), (400, &"invalid_grant".into()));
}

#[tokio::test]
async fn a_code_expires_after_a_minute() {
    let idp = start().await;
    let code = code(&idp).await;
    idp.env.advance(std::time::Duration::from_mins(1));
    assert_eq!(exchange(&idp, &code, &[]).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_of_one_client_is_worthless_to_others_and_stays_good() {
    let idp = start().await;
    let (_, tokens) = exchange(&idp, &code(&idp).await, &[]).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let stolen = idp.post("/token", Some(("admin", "admin-secret")), &form).await;
    assert_eq!(json(stolen).await.1["error"], "invalid_grant");
    let request = RefreshRequest { refresh_token: token.into() };
    assert!(idp.grpc.clone().refresh(request).await.is_err());
    let revoked = idp.post("/revoke", Some(("admin", "admin-secret")), &[("token", token)]).await;
    assert_eq!(revoked.status().as_u16(), 200);
    assert_eq!(refresh(&idp, token).await.0, 200);
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_its_session() {
    let idp = start().await;
    let (_, tokens) = exchange(&idp, &code(&idp).await, &[]).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    for token in [token, token, "unknown"] {
        let form = [("client_id", "browser"), ("token", token)];
        assert_eq!(idp.post("/revoke", None, &form).await.status().as_u16(), 200);
    }
    assert_eq!(refresh(&idp, token).await.1["error"], "invalid_grant");
    let access = tokens["access_token"].as_str().unwrap();
    let form = [("client_id", "browser"), ("token", access)];
    let (status, body) = json(idp.post("/revoke", None, &form).await).await;
    assert_eq!((status, &body["error"]), (400, &"unsupported_token_type".into()));
    let nobody = idp.post("/revoke", None, &[("token", token)]).await;
    assert_eq!(json(nobody).await.1["error"], "invalid_client");
}

#[tokio::test]
async fn userinfo_names_the_user_of_a_good_token_only() {
    let idp = start().await;
    let ask = |token: String| {
        let get = idp.http.get(format!("{}/userinfo", idp.issuer)).bearer_auth(token);
        async { json(get.send().await.unwrap()).await }
    };
    let tokens = idp.sign_in("alice", "alice-password").await.unwrap();
    let (status, body) = ask(tokens.access_token.clone()).await;
    assert_eq!((status, &body["sub"]), (200, &"alice".into()));

    let form = [("grant_type", "client_credentials")];
    let service = idp.post("/token", Some(("controller", "controller-secret")), &form).await;
    let service = json(service).await.1["access_token"].as_str().unwrap().to_owned();
    let (_, exchanged) = exchange(&idp, &code(&idp).await, &[]).await;
    let id_token = exchanged["id_token"].as_str().unwrap().to_owned();
    let mut forged = tokens.access_token.clone();
    forged.truncate(forged.len() - 4);
    for bad in [service, id_token, forged, "rubbish".to_owned()] {
        let (status, body) = ask(bad).await;
        assert_eq!((status, &body["error"]), (401, &"invalid_token".into()));
    }
    idp.env.advance(std::time::Duration::from_mins(15));
    assert_eq!(ask(tokens.access_token).await.0, 401);
    let missing = idp.get("/userinfo").await;
    assert!(missing.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
}

#[tokio::test]
async fn a_token_without_openid_does_not_say_who_the_user_is() {
    let idp = start().await;
    let page = page(open(&idp, &request(&[("scope", "")])).await).await;
    let (_, pairs) = sent(&submit(&idp, &page, "alice", "alice-password").await);
    let (_, tokens) = exchange(&idp, value(&pairs, "code").unwrap(), &[]).await;
    assert_eq!(tokens.get("id_token"), None);
    let token = tokens["access_token"].as_str().unwrap();
    let get = idp.http.get(format!("{}/userinfo", idp.issuer)).bearer_auth(token);
    assert_eq!(json(get.send().await.unwrap()).await.0, 403);
}
