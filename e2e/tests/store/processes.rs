//! The services as they are deployed: five processes, ended with `kill -9`.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use oxcart::{
    client::{self, Credentials, Shopper},
    import::Import,
    store::until_serving,
};
use oxcart_proto::{
    common::{CartState, CheckoutState},
    payment::{GetPaymentRequest, PaymentState, payment_service_client::PaymentServiceClient},
};
use service_kit::{Sources, auth::ServiceIdentity};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::world::{
    CATALOG, cart, check_out, checkout_of, contents, purchase, reread, until, until_cart_is,
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
    idp: Running,
    /// Kept alive for as long as the deployment is.
    _others: [Running; 2],
    payment: Running,
    controller: Running,
}

/// A service that runs, and where.
struct Running {
    process: Process,
    address: SocketAddr,
    flags: Vec<String>,
}

impl Running {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Starts `name` on a free port, with whatever flags `flags` makes of one more free port.
async fn start(folder: &Path, name: &str, flags: impl Fn(u16) -> Vec<String>) -> Running {
    for _ in 0..PORT_TRIES {
        let (port, other) = (free_port(), free_port());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut all = vec!["--listen".to_owned(), address.to_string()];
        all.extend(flags(other));
        if let Some(process) = spawn(folder, name, &all, address).await {
            return Running { process, address, flags: all };
        }
    }
    panic!("{name} did not start, see its log:\n{}", log(folder, name));
}

/// None if the process ended before it was healthy.
async fn spawn(
    folder: &Path,
    name: &str,
    flags: &[String],
    address: SocketAddr,
) -> Option<Process> {
    let log = File::options().create(true).append(true).open(log_path(folder, name)).unwrap();
    let mut command = Command::new(program(name));
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
        let trust = || strings(["--issuer", &issuer, "--sign-in", &idp.url()]);
        let catalog = start(path, "catalog-svc", |_| trust()).await;
        let cart = start(path, "cart-svc", |_| trust()).await;
        let payment =
            start(path, "payment-stub", |_| [trust(), strings(["--slow-ms", "2000"])].concat())
                .await;
        let controller = start(path, "controller-svc", |_| {
            let urls = strings([
                "--catalog-url",
                &catalog.url(),
                "--cart-url",
                &cart.url(),
                "--payment-url",
                &payment.url(),
                "--client-id",
                "controller",
                "--client-secret",
                "controller-secret",
            ]);
            [trust(), urls].concat()
        })
        .await;
        Self { folder, idp, _others: [catalog, cart], payment, controller }
    }

    /// Ends the controller on the spot and starts another on the same port.
    async fn replace_controller(&mut self) {
        let (path, controller) = (self.folder.path(), &mut self.controller);
        controller.process.kill();
        let again = spawn(path, "controller-svc", &controller.flags, controller.address).await;
        controller.process = again.unwrap_or_else(|| panic!("{}", log(path, "controller-svc")));
    }

    async fn shopper(&self, name: &str) -> Shopper {
        let password = format!("{name}-password").into();
        let credentials = Credentials::Password { username: name.to_owned(), password };
        let token = client::sign_in(&self.idp.url(), &credentials).await.unwrap();
        Shopper::new(&self.controller.url(), &token, Sources::system()).unwrap()
    }

    async fn payment_state(&self, key: &str) -> Option<PaymentState> {
        let issuer = self.idp.flags.last().unwrap();
        let secret = "admin-secret".into();
        let identity = ServiceIdentity::new(issuer, "admin", secret, Sources::system());
        let bearer = identity.bearer().await.unwrap();
        let channel = Channel::from_shared(self.payment.url()).unwrap().connect().await.unwrap();
        let mut request = tonic::Request::new(GetPaymentRequest { key: key.to_owned() });
        request.metadata_mut().insert("authorization", bearer);
        let answer = PaymentServiceClient::new(channel).get_payment(request).await.ok()?;
        Some(answer.into_inner().payment.unwrap().state())
    }
}

#[tokio::test]
async fn a_controller_killed_during_a_payment_leaves_nothing_undecided() {
    let mut deployment = Deployment::start().await;
    let import = Import {
        controller_url: &deployment.controller.url(),
        client_id: "admin",
        client_secret: "admin-secret".into(),
        default_currency: "",
    };
    import.bytes(CATALOG.as_bytes(), Sources::system()).await.unwrap();

    let mut alice = deployment.shopper("alice").await;
    let kept = cart(&mut alice, &[("1002", 4)]).await;
    let bought = cart(&mut alice, &[("1001", 1)]).await;
    let (mut client, request) = (alice.clone(), purchase("p", &bought, "tok_slow"));
    tokio::spawn(async move { check_out(&mut client, request).await });
    until_cart_is(&mut alice, &bought.cart_id, CartState::Pending).await;
    let checkout = checkout_of(&mut alice, "p").await.unwrap();
    until("the charge", || async { deployment.payment_state(&checkout.checkout_id).await }).await;

    deployment.replace_controller().await;

    let mut alice = deployment.shopper("alice").await;
    until_cart_is(&mut alice, &bought.cart_id, CartState::Paid).await;
    let ended = checkout_of(&mut alice, "p").await.unwrap();
    assert_eq!(ended.state(), CheckoutState::Paid);
    let payment = deployment.payment_state(&checkout.checkout_id).await;
    assert_eq!(payment, Some(PaymentState::Captured));
    assert_eq!(contents(&reread(alice.controller(), &kept.cart_id).await), [("1002", 4)]);
}
