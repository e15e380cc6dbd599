//! The program as people run it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

fn oxcart(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oxcart"));
    // Whatever the developer's environment sets must not reach the test.
    command.env_clear().args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    oxcart(args).output().unwrap()
}

#[track_caller]
fn demo(folder: &Path, args: &[&str]) -> String {
    let folder = folder.to_str().unwrap();
    let output = run(&[&["demo", "--data-dir", folder], args].concat());
    let (out, log) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{log}");
    assert_eq!(log, "", "a demo that works says nothing else");
    out
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What failed must be one sentence that has these words, and nothing else.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    for word in words {
        assert!(log.contains(word), "{word} is not in: {log}");
    }
}

/// From the headline on.
#[track_caller]
fn below<'a>(out: &'a str, headline: &str) -> &'a str {
    let at = out.find(headline).unwrap_or_else(|| panic!("no {headline} in\n{out}"));
    &out[at..]
}

/// What stays the same from run to run: neither ids nor times.
fn goods(out: &str) -> Vec<&str> {
    out.lines().filter(|line| !line.contains("Cart ") && !line.contains("payment")).collect()
}

#[test]
fn a_second_visit_finds_what_the_first_left_and_buys_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut visits = Vec::new();
    // About half of the visits leave their cart: one of these will.
    for seed in 0..8 {
        visits.push(demo(folder.path(), &["--seed", &seed.to_string()]));
        if visits.last().unwrap().contains("Left for the next visit") {
            break;
        }
    }
    let left = visits.last().unwrap();
    let cart = below(left, "A new cart").lines().nth(2).unwrap().trim();
    let id = cart.split_whitespace().nth(1).unwrap();

    let out = demo(folder.path(), &["--purchase"]);
    assert!(below(&out, "Carts that demo has not purchased").contains(id), "{out}");
    assert!(out.contains(&format!("Cart {id} is purchased for GBP ")), "{out}");
    let purchases = below(&out, "Purchases of demo, at the prices paid");
    assert!(purchases.contains(&format!("Cart {id} (purchased ")), "{out}");

    let out = demo(folder.path(), &["--purchase"]);
    assert!(out.contains("Carts that demo has not purchased: none"), "{out}");
    assert!(below(&out, "Purchases of demo").contains(id), "{out}");
}

#[test]
fn one_seed_plays_one_visit_and_each_user_has_carts_of_its_own() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = demo(one.path(), &["--seed", "7", "--user", "grace"]);
    let odd = two.path().join("50%25 of what? #1");
    let second = demo(&odd, &["--seed", "7", "--user", "grace"]);
    assert_eq!(goods(&first), goods(&second));
    assert!(odd.join("cart.sqlite3").exists());
    let other = demo(one.path(), &["--purchase", "--user", "bob"]);
    assert!(other.contains("Carts that bob has not purchased: none"), "{other}");
    assert!(other.contains("Purchases of bob, at the prices paid: none"), "{other}");
}

#[tokio::test]
async fn the_demo_plays_on_postgres_and_in_memory_too() {
    let url = kit_testing::postgres_url().await;
    for database in [&url, "memory:"] {
        let play = |args: &[&str]| {
            let output = run(&[&["demo", "--database", database, "--user", "ada"], args].concat());
            assert!(output.status.success(), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        let first = play(&["--seed", "7"]);
        let second = play(&["--purchase"]);
        let kept = below(&first, "A new cart").lines().nth(2).unwrap().split(' ').nth(3).unwrap();
        assert_eq!(second.contains(kept), database == url, "{first}\n{second}");
    }
}

/// A store that is up until the test ends.
struct Up {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Up {
    fn start(args: &[&str]) -> Self {
        let mut command = oxcart(&[&["up"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// What it says up to the line with `word`.
    fn until(&mut self, word: &str) -> String {
        let mut said = String::new();
        while !said.contains(word) {
            let length = self.said.read_line(&mut said).unwrap();
            assert!(length > 0, "it ended without {word}: {said}");
        }
        said
    }

    /// Tells it to stop and returns the exit code and the log.
    fn terminate(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (status.code(), log)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ANY_PORTS: [&str; 12] = [
    "--controller-port",
    "0",
    "--catalog-port",
    "0",
    "--cart-port",
    "0",
    "--idp-port",
    "0",
    "--idp-http-port",
    "0",
    "--payment-port",
    "0",
];

#[test]
fn a_store_stays_up_takes_a_catalogue_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let args = ["--data-dir", data.to_str().unwrap()];
    let mut up = Up::start(&[&args[..], &ANY_PORTS].concat());
    let said = up.until("Ctrl-C");
    assert!(said.contains("oxcart.idp.v1.IdpService/SignIn"), "{said}");
    let address = said.lines().find(|line| line.trim().starts_with("controller ")).unwrap();
    let url = address.split_whitespace().nth(1).unwrap();

    let file = folder.path().join("items.csv");
    std::fs::write(&file, "sku,name,price,description\r\nNEW-1,New,1.50,\"Quite, new\"\r\n")
        .unwrap();
    let import = ["import", file.to_str().unwrap(), "--controller", url];
    let output = run(&import);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(text(&output.stdout), "1 created, 0 updated, 0 unchanged\n");
    assert_eq!(text(&run(&import).stdout), "0 created, 0 updated, 1 unchanged\n");

    std::fs::write(&file, "sku,name,price,description\nA,a,1.505,\nB,b,-1,\n").unwrap();
    let output = run(&import);
    assert_refused(&output, &["2 rows are bad, nothing was loaded"]);
    let rows = text(&output.stdout);
    assert!(rows.contains("line 2, price") && rows.contains("line 3, price"), "{rows}");

    // A second store cannot have the same files.
    let demo = run(&["demo", "--data-dir", data.to_str().unwrap()]);
    assert_refused(&demo, &["in use by another process", data.to_str().unwrap()]);
    // And a third cannot have the same port.
    let port = url.rsplit(':').next().unwrap();
    let mut ports = ANY_PORTS;
    ports[1] = port;
    let other = run(&[&["up", "--database", "memory:"], &ports[..]].concat());
    assert_refused(&other, &[&format!("port {port} is taken"), "--controller-port"]);

    let (code, log) = up.terminate();
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<&str> = log.lines().collect();
    assert!(
        matches!(lines.as_slice(), [line] if line.contains("PASSWORDS EVERYBODY KNOWS")),
        "{log}"
    );
    assert!(!log.contains('\u{1b}'), "colours in a pipe: {log}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.as_path(), Path::new("/proc/oxcart")] {
        let output = run(&["demo", "--data-dir", path.to_str().unwrap()]);
        assert_refused(&output, &[path.to_str().unwrap()]);
    }
}

#[test]
fn a_database_that_does_not_answer_is_named_without_its_password() {
    // Nobody listens there: the listener is gone again.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://oxcart:hunter2@{address}/shop");
    let output = run(&["demo", "--database", &url]);
    assert_refused(&output, &[&address.to_string()]);
    assert!(!text(&output.stderr).contains("hunter2"));
}

#[test]
fn an_import_without_a_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("items.csv");
    std::fs::write(&file, "sku,name,price,description\n").unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let output = run(&["import", file.to_str().unwrap(), "--controller", &url]);
    assert_refused(&output, &["cannot reach the store", &url, "--controller"]);
    for wrong in ["rubbish", "http:/x", ""] {
        let output = run(&["import", file.to_str().unwrap(), "--controller", wrong]);
        assert_refused(&output, &["--controller"]);
    }
    let output = run(&["import", "no-such.csv"]);
    assert_refused(&output, &["cannot read no-such.csv"]);
}
