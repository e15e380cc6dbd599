//! The program against a store in memory, over real connections.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod fake;

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use clap::Parser as _;
use fake::{FakeStore, Trouble};
use flate2::{Compression, write::GzEncoder};
use loadgen::Config;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

const PURCHASES: u32 = 24;
const CUSTOMERS: u32 = 5;
const ALL_IS_WELL: &str = "Every purchase, line and total and the sum are as in";

/// The files of a small shop: each purchase has a globe and some posters.
fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = "sku,name,price,description\nA 1,Globe,0.85,\nB,Poster,12.50,\"a, b\"\n";
    fs::write(folder.path().join("catalog.csv"), catalogue).unwrap();
    let mut purchases = "invoice,customer,at,sku,quantity\n".to_owned();
    let mut totals = "invoice,customer,lines,units,total_gbp\n".to_owned();
    for number in 0..PURCHASES {
        let (invoice, customer, posters) = (1000 + number, number % CUSTOMERS, number + 1);
        let at = format!("2010-12-01T08:{number:02}:00Z");
        writeln!(purchases, "{invoice},{customer},{at},A 1,1").unwrap();
        writeln!(purchases, "{invoice},{customer},{at},B,{posters}").unwrap();
        let pence = 85 + 1250 * posters;
        let (pounds, pence) = (pence / 100, pence % 100);
        writeln!(totals, "{invoice},{customer},2,{},{pounds}.{pence:02}", posters + 1).unwrap();
    }
    fs::write(folder.path().join("totals.csv"), totals).unwrap();
    let file = File::create(folder.path().join("purchases.csv.gz")).unwrap();
    let mut packed = GzEncoder::new(file, Compression::default());
    packed.write_all(purchases.as_bytes()).unwrap();
    packed.finish().unwrap();
    folder
}

fn replay_args(store: &str, files: &Path, more: &[&str]) -> Vec<String> {
    let path = |name: &str| files.join(name).display().to_string();
    let mut args: Vec<String> = vec!["replay".into(), "--controller".into(), store.into()];
    args.extend(["--catalog".into(), path("catalog.csv")]);
    args.extend(["--purchases".into(), path("purchases.csv.gz")]);
    args.extend(["--totals".into(), path("totals.csv")]);
    args.extend(more.iter().map(|&arg| arg.to_owned()));
    args
}

async fn run(args: Vec<String>) -> (bool, String) {
    let config = Config::parse_from(std::iter::once("loadgen".to_owned()).chain(args));
    let mut out = Vec::new();
    let is_well = loadgen::run(config, &mut out).await.unwrap();
    (is_well, String::from_utf8(out).unwrap())
}

async fn replay(store: &FakeStore, files: &TempDir, more: &[&str]) -> (bool, String) {
    run(replay_args(&store.url, files.path(), more)).await
}

/// The program itself, as a process.
fn program(args: &[String]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    program.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

async fn output(args: Vec<String>) -> Output {
    tokio::task::spawn_blocking(move || program(&args).output().unwrap()).await.unwrap()
}

fn assert_charged_once(store: &FakeStore) {
    assert_eq!(store.charges(), vec![1; PURCHASES as usize]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_comes_out_to_the_penny() {
    let (store, files) = (FakeStore::start(Trouble::default()).await, files());
    let (is_well, report) = replay(&store, &files, &[]).await;
    assert!(is_well && report.contains(ALL_IS_WELL), "{report}");
    for line in ["24, of them 0 bought before", "48, 324 pieces", "sum         GBP 3,770.40"] {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
    assert_charged_once(&store);
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_and_lost_charges_and_lost_answers_change_nothing() {
    let trouble = Trouble { lose_every: Some(7), ..Trouble::default() };
    let (store, files) = (FakeStore::start(trouble).await, files());
    let more = ["--decline-every", "4", "--unanswered-every", "4", "--concurrency", "3"];
    let (is_well, report) = replay(&store, &files, &more).await;
    assert!(is_well && report.contains(ALL_IS_WELL), "{report}");
    for line in ["declined    6 first", "unanswered  6 charges", "undecided   6 checkouts"] {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
    assert_charged_once(&store);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_replay_buys_nothing_twice_whatever_its_flags() {
    let (store, files) = (FakeStore::start(Trouble::default()).await, files());
    replay(&store, &files, &["--limit", "10", "--unanswered-every", "2"]).await;
    assert_eq!(store.charges().len(), 10);
    let (is_well, report) = replay(&store, &files, &["--decline-every", "3"]).await;
    assert!(is_well && report.contains("24, of them 10 bought before"), "{report}");
    let (is_well, report) = replay(&store, &files, &["--limit", "7"]).await;
    assert!(is_well && report.contains("7, of them 7 bought before"), "{report}");
    assert_charged_once(&store);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replay_goes_on_and_buys_nothing_twice() {
    // The pauses after lost answers keep the first replay from ending before it is killed.
    let trouble = Trouble { lose_every: Some(3), ..Trouble::default() };
    let (store, files) = (FakeStore::start(trouble).await, files());
    let more = ["--concurrency", "2", "--unanswered-every", "3"];
    let args = replay_args(&store.url, files.path(), &more);
    let mut first = program(&args).spawn().unwrap();
    let give_up_at = Instant::now() + Duration::from_secs(30);
    while store.charges().len() < 3 {
        assert!(Instant::now() < give_up_at, "the first replay buys nothing");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(store.charges().len() < PURCHASES as usize, "it was killed too late");

    let second = output(args).await;
    let report = String::from_utf8(second.stdout).unwrap();
    assert!(second.status.success() && report.contains(ALL_IS_WELL), "{report}");
    assert_charged_once(&store);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_difference_is_printed_and_the_exit_code_is_1() {
    let trouble = Trouble { overcharge: 1, ..Trouble::default() };
    let (store, files) = (FakeStore::start(trouble).await, files());
    let replay = output(replay_args(&store.url, files.path(), &["--limit", "2"])).await;
    let report = String::from_utf8(replay.stdout).unwrap();
    assert_eq!(replay.status.code(), Some(1), "{report}");
    for line in [
        "DIFFERENT   invoice 1000: paid GBP 13.36, the file says GBP 13.35",
        "DIFFERENT   invoice 1001: listed at GBP 25.86, the file says GBP 25.85",
        "DIFFERENT   the sum is GBP 39.22, the file says GBP 39.20",
    ] {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_no_invoice_asks_for_is_a_difference() {
    let (store, files) = (FakeStore::start(Trouble::default()).await, files());
    store.stock("B", 1250);
    store.sell("3", "B");
    let (is_well, report) = replay(&store, &files, &[]).await;
    assert!(!is_well && report.contains("customer 3: purchased cart 00000000-"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_by_its_line_before_the_store_is_called() {
    let files = files();
    let totals = "invoice,customer,lines,units,total_gbp\n1000,0,2,2,13.355\n";
    fs::write(files.path().join("totals.csv"), totals).unwrap();
    let replay = output(replay_args("http://127.0.0.1:1", files.path(), &[])).await;
    let error = String::from_utf8(replay.stderr).unwrap();
    assert_eq!(replay.status.code(), Some(1));
    assert!(error.contains("totals.csv, line 2: total must have at most 2 decimals"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_say_where_to_sign_in_needs_the_flag() {
    let trouble = Trouble { is_mute: true, ..Trouble::default() };
    let (store, files) = (FakeStore::start(trouble).await, files());
    let refused = output(replay_args(&store.url, files.path(), &[])).await;
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("does not say where to sign in"), "{error}");
    let (is_well, report) = replay(&store, &files, &["--sign-in", &store.url]).await;
    assert!(is_well, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_refused_with_its_reason() {
    let (store, files) = (FakeStore::start(Trouble::default()).await, files());
    let (_, report) = replay(&store, &files, &["--client-secret", "wrong", "--limit", "1"]).await;
    assert!(report.contains("ImpersonateUser failed, CREDENTIALS_WRONG"), "{report}");
    assert!(!report.contains("wrong\n"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn load_is_measured_by_rpc() {
    let store = FakeStore::start(Trouble::default()).await;
    store.stock("A", 85);
    for (op, rpcs) in [
        ("read", &["GetCart", "GetStorefront", "SearchItems", "all"][..]),
        ("update", &["SetItem"]),
        ("checkout", &["Checkout", "CreateCart", "all"]),
        ("sign-in", &["SignIn"]),
    ] {
        let args = ["load", "--controller", &store.url, "--op", op, "--concurrency", "4"];
        let args = args.into_iter().chain(["--seconds", "1", "--warmup-seconds", "0"]);
        let (is_well, report) = run(args.map(str::to_owned).collect()).await;
        assert!(is_well && report.starts_with(&format!("{op}: 4 users for 1 s\n")), "{report}");
        for rpc in rpcs {
            assert!(report.contains(&format!("\n{rpc} ")), "{rpc} is not in\n{report}");
        }
        assert!(report.ends_with("none\n"), "{report}");
    }
}

/// Starts a load of checkouts on `url` that is to go on for an hour, and waits until it has bought
/// something in `store`.
async fn start_load(url: &str, store: &FakeStore) -> Child {
    store.stock("A", 85);
    let args = ["load", "--controller", url, "--op", "checkout", "--seconds", "3600"];
    let more = ["--warmup-seconds", "0", "--concurrency", "2", "--call-seconds", "1"];
    let args: Vec<_> = args.into_iter().chain(more).map(str::to_owned).collect();
    let load = program(&args).spawn().unwrap();
    let give_up_at = Instant::now() + Duration::from_secs(30);
    while store.charges().len() < 3 {
        assert!(Instant::now() < give_up_at, "the load buys nothing");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    load
}

/// Sends SIGTERM and returns what is printed then.
async fn terminate(load: Child) -> Output {
    let terminate = Command::new("kill").arg("-TERM").arg(load.id().to_string()).status();
    assert!(terminate.unwrap().success());
    let ended = tokio::task::spawn_blocking(move || load.wait_with_output().unwrap());
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_told_to_stop_prints_its_figures_so_far() {
    let store = FakeStore::start(Trouble::default()).await;
    let ended = terminate(start_load(&store.url, &store).await).await;
    let report = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success() && report.contains("\nCheckout "), "{report}");
    assert!(report.ends_with("none\n"), "{report}");
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "measuring\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_until_the_load_has_ended_has_failed() {
    let store = FakeStore::start(Trouble::default()).await;
    let behind = store.url.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (freeze, frozen) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (mut far, mut frozen) =
                (TcpStream::connect(&behind).await.unwrap(), frozen.clone());
            tokio::spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = async { frozen.wait_for(|frozen| *frozen).await.is_ok() } => std::future::pending().await,
                }
            });
        }
    });
    let load = start_load(&url, &store).await;
    freeze.send(true).unwrap();
    let report = String::from_utf8(terminate(load).await.stdout).unwrap();
    let errors = report.split("\nerrors").nth(1);
    assert!(errors.is_some_and(|errors| errors.contains("transport: ")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_are_counted_by_their_reason_unless_they_are_repeated() {
    let trouble = Trouble { lose_every: Some(5), ..Trouble::default() };
    let store = FakeStore::start(trouble).await;
    store.stock("A", 85);
    let args = ["load", "--controller", &store.url, "--op", "update", "--concurrency", "2"];
    let args = args.into_iter().chain(["--seconds", "1", "--warmup-seconds", "0"]);
    let args: Vec<_> = args.map(str::to_owned).collect();
    let (_, report) = run(args.clone()).await;
    assert!(report.contains("SetItem transport: Unknown"), "{report}");
    let (_, report) = run([args, vec!["--repeat".to_owned()]].concat()).await;
    assert!(report.contains("\nSetItem ") && report.ends_with("none\n"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_cannot_be_measured() {
    let store = FakeStore::start(Trouble::default()).await;
    let args = ["load", "--controller", &store.url, "--op", "read"].map(str::to_owned);
    let refused = output(args.to_vec()).await;
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(error.contains("the store's catalogue is empty"), "{error}");
}
