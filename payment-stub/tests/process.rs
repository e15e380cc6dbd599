//! The program as a real process, killed without warning.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use kit_database::Database;
use kit_testing::TestIssuer;
use oxcart_proto::{
    common::Money,
    payment::{
        ChargeRequest, ListPaymentsRequest, Payment, PaymentState, ResolveRequest,
        payment_service_client::PaymentServiceClient,
    },
};
use payment_stub::store::Stores;
use tonic::{Request, transport::Channel};

const PROGRAM: &str = env!("CARGO_BIN_EXE_payment-stub");

/// Long enough for a process to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A payment process. Killed when it is dropped.
struct Process {
    child: Child,
    client: PaymentServiceClient<Channel>,
    token: String,
}

impl Process {
    async fn start(database: &Path, issuer: &TestIssuer) -> Self {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(process) = Self::try_start(database, issuer).await {
                    return process;
                }
            }
        })
        .await
        .unwrap()
    }

    /// `None` if somebody else took the port that was just free.
    async fn try_start(database: &Path, issuer: &TestIssuer) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["--listen", &free.to_string(), "--database-url", &url(database)])
            .args(["--issuer", &issuer.args().issuer, "--log", "warn"])
            .args(["--late-ms", "1000", "--charge-wait-ms", "0", "--sweep-ms", "100"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        loop {
            let channel = Channel::from_shared(format!("http://{free}")).unwrap();
            if let Ok(channel) = channel.connect().await {
                let scopes = ["payment:charge", "payment:read"];
                let token = issuer.service_token("tester", &scopes);
                return Some(Self { child, client: PaymentServiceClient::new(channel), token });
            }
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// As `kill -9` does it.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.token).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }

    async fn charge(&mut self, key: &str, token: &str) -> Payment {
        let request = self.signed(ChargeRequest {
            key: key.into(),
            amount: Some(Money { currency_code: "GBP".into(), minor_units: 1_250 }),
            payment_token: token.into(),
            not_after: None,
        });
        self.client.charge(request).await.unwrap().into_inner().payment.unwrap()
    }

    async fn resolve(&mut self, key: &str) -> Payment {
        let request = self.signed(ResolveRequest { key: key.into() });
        self.client.resolve(request).await.unwrap().into_inner().payment.unwrap()
    }

    /// Waits until `key` is decided.
    async fn decided(&mut self, key: &str) -> Payment {
        let decided = async {
            loop {
                let payment = self.resolve(key).await;
                if payment.state() != PaymentState::Processing {
                    return payment;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, decided).await.unwrap()
    }

    async fn all(&mut self) -> Vec<Payment> {
        let request = self.signed(ListPaymentsRequest::default());
        self.client.list_payments(request).await.unwrap().into_inner().payments
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url(database: &Path) -> String {
    format!("sqlite:{}", database.display())
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[tokio::test]
async fn a_process_killed_while_the_acquirer_decides_finds_the_outcome_after_boot() {
    let folder = tempfile::tempdir().unwrap();
    let database: PathBuf = folder.path().join("payment.sqlite3");
    let issuer = TestIssuer::start().await;

    let mut process = Process::start(&database, &issuer).await;
    assert_eq!(process.charge("late", "tok_late").await.state(), PaymentState::Processing);
    let paid = process.charge("paid", "tok_visa").await;
    let paid =
        if paid.state() == PaymentState::Processing { process.decided("paid").await } else { paid };
    assert_eq!(process.resolve("none").await.state(), PaymentState::Cancelled);
    process.kill();

    let mut process = Process::start(&database, &issuer).await;
    let late = process.decided("late").await;
    assert_eq!(late.state(), PaymentState::Captured);
    assert_eq!(process.resolve("paid").await, paid);
    assert_eq!(process.charge("none", "tok_visa").await.state(), PaymentState::Cancelled);
    assert_eq!(process.all().await.len(), 3);
    process.kill();

    // What the acquirer has is what we say it has.
    let database = Database::open(&url(&database), "payment", 2).await.unwrap();
    let acquirer = Stores::open(&database).acquirer;
    for payment in [&late, &paid] {
        let charge = acquirer.find_charge(&payment.key.parse().unwrap()).await.unwrap().unwrap();
        assert!(format!("{:?}", charge.outcome).contains(&payment.payment_id), "{charge:?}");
    }
    assert_eq!(acquirer.find_charge(&"none".parse().unwrap()).await.unwrap(), None);
}

#[test]
fn migrating_alone_ends_by_itself_and_may_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("payment.sqlite3");
    for _ in 0..2 {
        let output = run(&["--migrate-only", "--database-url", &url(&database)]);
        assert!(output.status.success(), "{output:?}");
        assert!(database.exists());
    }
}

#[test]
fn what_stands_in_the_way_of_a_start_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let address = format!("127.0.0.1:{port}");
    for (arguments, named) in [
        (["--listen", address.as_str()], port.as_str()),
        (["--database-url", "mysql://x"], "database URL"),
        (["--late-ms", "soon"], "--late-ms"),
    ] {
        let output =
            run(&[&arguments[..], &["--migrate-only"][..usize::from(named == "database URL")]]
                .concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(named), "{said}");
    }
}
