//! The services as they are deployed: five processes, ended with `kill -9`.

use std::{
    collections::BTreeMap,
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use kit_rpc::auth::ServiceIdentity;
use kit_service::Env;
use oxcart::store::until_serving;
use oxcart_client::{Client, ClientCredentials};
use oxcart_proto::{
    Reason,
    common::{CartState, CheckoutState},
    controller::{CreateCartRequest, GetCartRequest, SetItemRequest},
    error,
    payment::{GetPaymentRequest, PaymentState, payment_service_client::PaymentServiceClient},
};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::world::{
    CATALOG, Shopper, cart, check_out, checkout_of, contents, line, purchase, reason, reread,
    until, until_cart_is,
};

/// How often a port that was free a moment ago may turn out to be taken.
const PORT_TRIES: u32 = 5;

/// A process that dies with the test.
struct Process(Child);

impl Process {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of the workspace, built beside the tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        program.exists(),
        "{name} is not built: run `cargo build --workspace` first, or ./test"
    );
    program
}

/// The five services on SQLite files in one folder.
struct Deployment {
    folder: TempDir,
    issuer: String,
    services: BTreeMap<&'static str, Running>,
}

/// A service that runs, and where.
struct Running {
    process: Process,
    address: SocketAddr,
    flags: Vec<String>,
}

/// Starts `name` on a free port, with whatever flags `flags` makes of one more free port.
async fn start(folder: &Path, name: &str, flags: impl Fn(u16) -> Vec<String>) -> Running {
    for _ in 0..PORT_TRIES {
        let (port, other) = (free_port(), free_port());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut all = vec!["--listen".to_owned(), address.to_string()];
        all.extend(flags(other));
        if let Some(process) = spawn(folder, name, &all, address, None).await {
            return Running { process, address, flags: all };
        }
    }
    panic!("{name} did not start, see its log:\n{}", log(folder, name));
}

/// None if the process ended before it was healthy. With `max_blocks`, no file of the process grows
/// beyond so many blocks of 512 or 1,024 bytes, as on a disk that is full.
async fn spawn(
    folder: &Path,
    name: &str,
    flags: &[String],
    address: SocketAddr,
    max_blocks: Option<u32>,
) -> Option<Process> {
    let log = File::options().create(true).append(true).open(log_path(folder, name)).unwrap();
    let mut command = match max_blocks {
        None => Command::new(program(name)),
        Some(blocks) => {
            let mut shell = Command::new("/bin/sh");
            // Without the trap the kernel would end the process, which a full disk does not.
            let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
            shell.args(["-c", &limited, "sh"]).arg(program(name));
            shell
        }
    };
    command.args(flags).current_dir(folder).env_clear();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let mut process = Process(child);
    let healthy = until(&format!("{name} becoming healthy or ending"), || {
        let ended = process.ended().is_some();
        async move {
            if ended {
                return Some(false);
            }
            let probe = until_serving(address);
            let patience = std::time::Duration::from_millis(500);
            tokio::time::timeout(patience, probe).await.is_ok().then_some(true)
        }
    })
    .await;
    healthy.then_some(process)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn log_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

fn log(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(log_path(folder, name)).unwrap_or_default()
}

fn strings<const N: usize>(flags: [&str; N]) -> Vec<String> {
    flags.map(str::to_owned).into()
}

impl Deployment {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let idp = start(path, "idp-stub", |port| {
            let http = format!("127.0.0.1:{port}");
            strings(["--http-listen", &http, "--issuer", &format!("http://{http}")])
        })
        .await;
        let issuer = idp.flags.last().unwrap().clone();
        let sign_in = format!("http://{}", idp.address);
        let trust = || strings(["--issuer", &issuer, "--sign-in", &sign_in]);
        let catalog = start(path, "catalog-svc", |_| trust()).await;
        // So that a test can see what is not logged otherwise.
        let debug = strings(["--log", "info,kit_rpc=debug"]);
        let cart = start(path, "cart-svc", |_| [trust(), debug.clone()].concat()).await;
        let slow = strings(["--slow-ms", "2000"]);
        let payment = start(path, "payment-stub", |_| [trust(), slow.clone()].concat()).await;
        let controller = start(path, "controller-svc", |_| {
            let mut flags = trust();
            for (flag, service) in
                [("--catalog-url", &catalog), ("--cart-url", &cart), ("--payment-url", &payment)]
            {
                flags.extend([flag.to_owned(), format!("http://{}", service.address)]);
            }
            flags.extend(strings(["--client-secret", "controller-secret"]));
            flags
        })
        .await;
        let services = [
            ("idp-stub", idp),
            ("catalog-svc", catalog),
            ("cart-svc", cart),
            ("payment-stub", payment),
            ("controller-svc", controller),
        ];
        let deployment = Self { issuer, services: services.into(), folder };
        deployment.import().await;
        deployment
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}", self.services[name].address)
    }

    fn client(&self) -> Client {
        Client::new(self.url("controller-svc")).unwrap()
    }

    async fn import(&self) {
        let admin = ClientCredentials::new("admin", "admin-secret");
        self.client().service(admin, &[]).import(CATALOG.as_bytes(), "").await.unwrap();
    }

    /// Ends a service on the spot and starts another on the same port and data.
    async fn replace(&mut self, name: &str, max_blocks: Option<u32>) {
        let (path, service) = (self.folder.path(), self.services.get_mut(name).unwrap());
        service.process.kill();
        let again = spawn(path, name, &service.flags, service.address, max_blocks).await;
        service.process = again.unwrap_or_else(|| panic!("{}", log(path, name)));
    }

    async fn shopper(&self, name: &str) -> Shopper {
        let signed_in = self.client().sign_in(name, format!("{name}-password")).await.unwrap();
        Shopper::new(signed_in).await
    }

    /// What `name` has logged at INFO or above, and how often it was asked for overdue checkouts.
    fn logged(&self, name: &str) -> (Vec<String>, usize) {
        let log = log(self.folder.path(), name);
        let (debug, lines): (Vec<_>, Vec<_>) = log.lines().partition(|line| line.contains("DEBUG"));
        let asked = debug.iter().filter(|line| line.contains("LeaseOverdue")).count();
        (lines.into_iter().map(str::to_owned).collect(), asked)
    }

    /// Waits until the controllers have asked so many more times for overdue checkouts.
    async fn until_asked_again(&self, times: usize) {
        let (_, before) = self.logged("cart-svc");
        until("the next question for overdue checkouts", || {
            let (_, asked) = self.logged("cart-svc");
            async move { (asked >= before + times).then_some(()) }
        })
        .await;
    }

    async fn payment_state(&self, key: &str) -> Option<PaymentState> {
        let secret = "admin-secret".into();
        let identity = ServiceIdentity::new(&self.issuer, "admin", secret, Env::system());
        let bearer = identity.bearer().await.unwrap();
        let url = self.url("payment-stub");
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        let mut request = tonic::Request::new(GetPaymentRequest { key: key.to_owned() });
        request.metadata_mut().insert("authorization", bearer);
        let answer = PaymentServiceClient::new(channel).get_payment(request).await.ok()?;
        Some(answer.into_inner().payment.unwrap().state())
    }
}

#[tokio::test]
async fn whichever_process_is_killed_during_a_payment_the_purchase_ends_paid_once() {
    let mut deployment = Deployment::start().await;
    for victim in ["controller-svc", "cart-svc", "payment-stub"] {
        let mut alice = deployment.shopper("alice").await;
        let bought = cart(&mut alice, &[("1001", 1)]).await;
        let (mut client, request) = (alice.clone(), purchase(victim, &bought, "tok_slow"));
        tokio::spawn(async move { check_out(&mut client, request).await });
        until_cart_is(&mut alice, &bought.cart_id, CartState::Pending).await;
        let checkout = checkout_of(&mut alice, victim).await.unwrap();
        let key = &checkout.checkout_id;
        until("the charge", || deployment.payment_state(key)).await;

        deployment.replace(victim, None).await;

        let alice = deployment.shopper("alice").await;
        until(&format!("the purchase after {victim} was killed"), || {
            let (mut alice, id) = (alice.clone(), bought.cart_id.clone());
            async move {
                let request = GetCartRequest { cart_id: id };
                let answer = alice.controller().get_cart(request).await.ok()?;
                let cart = answer.into_inner().cart?;
                (cart.state() == CartState::Paid).then_some(())
            }
        })
        .await;
        let ended = checkout_of(&mut alice.clone(), victim).await.unwrap();
        assert_eq!(ended.state(), CheckoutState::Paid, "{victim}");
        assert_eq!(deployment.payment_state(key).await, Some(PaymentState::Captured), "{victim}");
    }
    assert_eq!(deployment.shopper("alice").await.client.purchases().all().await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_idle_store_logs_nothing_and_every_log_begins_with_what_runs_where() {
    let deployment = Deployment::start().await;
    deployment.until_asked_again(1).await;
    let names = deployment.services.keys().copied();
    let before: Vec<_> = names.clone().map(|name| deployment.logged(name).0).collect();
    deployment.until_asked_again(3).await;
    for (name, before) in names.zip(before) {
        assert_eq!(deployment.logged(name).0, before, "{name}");
        let (version, address) = (kit_service::version(), deployment.services[name].address);
        let first = format!("{name} {version} starts on {address}");
        assert!(before[0].contains(&first), "{before:?}");
    }
}

#[tokio::test]
async fn the_request_that_an_error_names_stands_in_the_log_of_every_service_it_went_through() {
    let deployment = Deployment::start().await;
    let mut alice = deployment.shopper("alice").await;
    let request = GetCartRequest { cart_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned() };
    let status = alice.controller().get_cart(request).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CartNotFound);
    let id = error::request_id(&status).unwrap();
    assert!(id.len() == 32 && id.bytes().any(|digit| digit != b'0'), "{id}");
    for name in ["controller-svc", "cart-svc"] {
        let is_named = |line: &&String| line.contains(&id) && line.contains("answered");
        let logged = deployment.logged(name).0;
        assert_eq!(logged.iter().filter(is_named).count(), 1, "{name}: {logged:?}");
    }
    // Another request has another name.
    let other = alice.controller().get_cart(GetCartRequest::default()).await.unwrap_err();
    assert!(error::request_id(&other).is_some_and(|other| other != id));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_none_that_was_acknowledged() {
    let mut deployment = Deployment::start().await;
    let mut alice = deployment.shopper("alice").await;
    let first = cart(&mut alice, &[("1001", 1)]).await;
    deployment.replace("cart-svc", Some(300)).await;

    let (mut kept, mut quantity) = (1, 1);
    let status = loop {
        quantity += 1;
        let set = SetItemRequest {
            cart_id: first.cart_id.clone(),
            line: Some(line("1001", quantity)),
            etag: String::new(),
        };
        match alice.controller().set_item(set).await {
            Ok(_) => kept = quantity,
            // The first calls may still meet the process that was killed.
            Err(status) if error::info(&status).is_none() => {}
            Err(status) if kept == 1 && quantity < 20 => drop(status),
            Err(status) => break status,
        }
        assert!(quantity < 10_000, "the disk never became full");
    };
    let log = || log(deployment.folder.path(), "cart-svc");
    assert_eq!(reason(&status), Reason::Unavailable, "{}", log());
    assert!(error::retry_delay(&status).is_some());

    // Reading goes on, and the next write is refused like the first.
    reread(alice.controller(), &first.cart_id).await;
    let other = CreateCartRequest {
        cart_id: String::new(),
        lines: vec![line("1002", 1)],
        ..Default::default()
    };
    let status = alice.controller().create_cart(other).await.unwrap_err();
    assert_eq!(reason(&status), Reason::Unavailable, "{}", log());

    deployment.replace("cart-svc", None).await;
    let id = &first.cart_id;
    let found = until("the cart being there again", || {
        let (mut alice, cart_id) = (alice.clone(), id.clone());
        async move { alice.controller().get_cart(GetCartRequest { cart_id }).await.ok() }
    })
    .await;
    let found = found.into_inner().cart.unwrap();
    // The refused write may have been carried out: its outcome is unknown.
    let quantity_found = contents(&found)[0].1;
    assert!((kept..=quantity).contains(&quantity_found), "{kept} {quantity_found} {quantity}");
    let paid = check_out(&mut alice, purchase("p", &found, "tok_visa")).await.unwrap();
    assert_eq!(paid.state(), CheckoutState::Paid);
}
