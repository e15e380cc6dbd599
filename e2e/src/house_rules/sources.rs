//! What may be said in which room.

use super::{
    SERVICES,
    paths::{first_names_after, names, rooms},
    rust_text::{RustText, without_tests},
};

/// What may stand directly under a service's `src/`, beside `main.rs` and `lib.rs`. The controller has
/// `clients` in place of a store, the payment service an `acquirer` for the world outside.
const ROOMS: [&str; 7] = ["acquirer", "api", "app", "clients", "config", "domain", "store"];

/// Words of a clock, of the network, of a database: none of the domain's business.
const NOT_IN_DOMAIN: [&str; 18] = [
    "tokio",
    "tokio_stream",
    "tokio_util",
    "tonic",
    "tonic_types",
    "prost",
    "prost_types",
    "sqlx",
    "tracing",
    "oxcart_proto",
    "kit_database",
    "kit_rpc",
    "kit_service",
    "Instant",
    "SystemTime",
    "Env",
    "now_utc",
    "async",
];

/// How a SQL statement begins, and what it has further on: words such as "with" and "update" begin
/// sentences as well.
const SQL: [(&str, &str); 13] = [
    ("select ", " from "),
    ("select 1", ""),
    ("insert into ", " values"),
    ("insert into ", "select "),
    ("update ", " set "),
    ("delete from ", ""),
    ("create table ", ""),
    ("create index ", ""),
    ("alter table ", ""),
    ("drop table ", ""),
    ("with ", " as ("),
    ("begin immediate", ""),
    ("pragma ", ""),
];

/// What is wrong with a Rust source at `file`, a path from the workspace's root.
#[must_use]
pub fn check_source(file: &str, text: &str) -> Vec<String> {
    let whole = RustText::parse(text);
    let mut wrong = Vec::new();
    if whole.code.contains("#[ignore") {
        wrong.push("a test must not be ignored".to_owned());
    }
    let parts: Vec<&str> = file.split('/').collect();
    if let [krate, "src", rest @ ..] = parts.as_slice() {
        let text = RustText::parse(&without_tests(text));
        wrong.extend(check_environment(rest, &text));
        if SERVICES.contains(krate) {
            wrong.extend(check_room(rest, &text));
        }
    }
    wrong
}

/// Only `config.rs` reads the environment. (The kit is not asked: its arguments stand beside what they
/// configure.)
fn check_environment(path: &[&str], text: &RustText) -> Vec<String> {
    if path == ["config.rs"] {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let squeezed: String = text.code.split_whitespace().collect();
    if squeezed.contains("env::") || first_names_after(&text.code, "std::").contains(&"env".into())
    {
        wrong.push("only config.rs reads the environment".to_owned());
    }
    // A literal's text is left out of the code: a variable called `env` is none.
    if squeezed.contains("env=\"\"") {
        wrong.push("only config.rs has arguments from the environment".to_owned());
    }
    wrong
}

fn check_room(path: &[&str], text: &RustText) -> Vec<String> {
    let room = path.first().copied().unwrap_or_default().trim_end_matches(".rs");
    if matches!(room, "main" | "lib" | "config") && path.len() == 1 {
        // They put the rooms together, and name no wire type and no SQL all the same.
        return check_words(room, text);
    }
    if !ROOMS.contains(&room) {
        return vec![format!("there is no room {room}, the rooms are {}", ROOMS.join(", "))];
    }
    let mut wrong = check_words(room, text);
    let enters = rooms(&text.code, path.len());
    let forbidden = |other: &&String| {
        ROOMS.contains(&other.as_str()) && other.as_str() != room && !may_enter(room, other)
    };
    wrong.extend(
        enters.iter().filter(forbidden).map(|other| format!("{room} must not know {other}")),
    );
    wrong
}

/// `api -> app -> {domain, store}`, `store -> domain`. What goes through the rooms are the domain's
/// types, so `api` knows those. What `app` asks of other services stands in `clients`, whose words and
/// whose translation to the wire `api` shares.
fn may_enter(room: &str, other: &str) -> bool {
    match room {
        "api" => matches!(other, "app" | "domain" | "clients"),
        "app" => matches!(other, "domain" | "store" | "clients" | "acquirer"),
        "acquirer" => matches!(other, "domain" | "store"),
        "store" | "clients" => other == "domain",
        _ => false,
    }
}

fn check_words(room: &str, text: &RustText) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut forbid = |word: &str| {
        if names(&text.code, word) {
            wrong.push(format!("{room} must not name {word}"));
        }
    };
    if room == "domain" {
        for word in NOT_IN_DOMAIN {
            forbid(word);
        }
    } else if room != "store" {
        forbid("sqlx");
    }
    let allowed: fn(&str) -> bool = match room {
        "api" | "clients" | "domain" => |_| true,
        "lib" => |path| {
            let mut parts = path.split(',').filter(|part| !part.trim_end_matches('}').is_empty());
            parts.all(|part| part.contains("_server::"))
        },
        "app" => |path| path == "oxcart_proto::Reason",
        _ => |_| false,
    };
    if !paths_of(&text.code, "oxcart_proto").iter().all(|path| allowed(path)) {
        wrong.push(format!("{room} must not name wire types of oxcart_proto"));
    }
    if room != "store" {
        let sql = text.strings.iter().find(|literal| is_sql(literal));
        wrong.extend(sql.map(|sql| format!("SQL belongs under store: {:.60}", sql.trim())));
    }
    wrong
}

fn is_sql(literal: &str) -> bool {
    let text = literal.trim_start_matches(['\\', '\n', ' ']).replace('\n', " ").to_lowercase();
    SQL.iter().any(|(beginning, further)| text.starts_with(beginning) && text.contains(further))
}

/// What `code` names of `krate`, each from the crate's name on, without spaces.
fn paths_of(code: &str, krate: &str) -> Vec<String> {
    let starts = code.match_indices(krate);
    let path = |at| code[at..].split([';', '(', '<']).next().unwrap_or_default();
    starts.map(|(at, _)| path(at).split_whitespace().collect()).collect()
}
