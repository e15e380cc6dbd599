//! The two pages that people see: sign in, and what went wrong.

use std::fmt::Write as _;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest;

use super::error::OAuthError;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;background:#f4f4f2;color:#222}\
main{max-width:22rem;margin:10vh auto;padding:2rem;background:#fff;border-radius:.5rem}\
h1{margin-top:0}label{display:block;margin:1rem 0}input{display:block;width:100%;font:inherit;\
padding:.4rem;box-sizing:border-box}button{font:inherit;padding:.5rem 1.5rem}\
[role=alert]{color:#a40000}";

/// The login page's contents.
pub(super) struct Form<'a> {
    /// Who will get the code.
    pub(super) client: &'a str,
    /// Where the form's answer sends the browser: some browsers hold a form's redirects to the policy.
    pub(super) origin: &'a str,
    /// What was wrong with the last try.
    pub(super) message: Option<&'a str>,
    /// What the form carries along.
    pub(super) hidden: &'a [(&'a str, Option<&'a str>)],
}

/// The login page.
pub(super) fn login(status: StatusCode, form: &Form<'_>) -> Response {
    let mut body =
        format!("<h1>Sign in</h1><p>to continue to <strong>{}</strong></p>", escape(form.client));
    if let Some(message) = form.message {
        // Writing to a String does not fail, here and below.
        let _ = write!(body, "<p role=\"alert\">{}</p>", escape(message));
    }
    // Relative, so that it works behind a proxy that puts the issuer under a path.
    body.push_str("<form method=\"post\" action=\"authorize\">");
    for (name, value) in form.hidden {
        if let Some(value) = value {
            let value = escape(value);
            let _ = write!(body, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        }
    }
    body.push_str(
        "<label>User name<input name=\"username\" autocomplete=\"username\" maxlength=\"64\" \
         required autofocus></label>\
         <label>Password<input name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" maxlength=\"128\" required></label>\
         <button>Sign in</button></form>",
    );
    page(status, "Sign in", &body, &format!("'self' {}", form.origin))
}

/// What went wrong where nobody may be sent anywhere.
pub(super) fn error(error: &OAuthError) -> Response {
    let text = escape(&error.description);
    let body = format!("<h1>This link does not work</h1><p role=\"alert\">{text}</p>");
    page(error.status, "Error", &body, "'none'")
}

fn page(status: StatusCode, title: &str, body: &str, form_action: &str) -> Response {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action {form_action}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    // A registered redirect URI holds nothing that a header cannot; if one did, allow nothing.
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Makes `text` fit for HTML, in an attribute too.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place_in_the_page() {
        assert_eq!(escape("\"><script>'&"), "&quot;&gt;&lt;script&gt;&#39;&amp;");
    }
}
