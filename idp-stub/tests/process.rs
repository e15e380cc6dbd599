//! The program itself, started as it is: without any setting of the C library's.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command},
    time::Duration,
};

use oxcart_proto::idp::{SignInRequest, idp_service_client::IdpServiceClient};
use tonic::transport::Channel;

/// What a container of the identity provider may take.
const MAX_RESIDENT_BYTES: u64 = 256_000_000;

const SIGN_INS: usize = 1_000;
const AT_ONCE: usize = 8;

/// A running program, which ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Program {
    /// A figure of `/proc/PID/status`, in bytes.
    fn bytes(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let figure = line.trim_start_matches(':').trim().strip_suffix(" kB").unwrap();
        figure.parse::<u64>().unwrap() * 1024
    }
}

/// An address where nobody listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}

async fn connect(address: SocketAddr) -> IdpServiceClient<Channel> {
    for _ in 0..600 {
        if let Ok(client) = IdpServiceClient::connect(format!("http://{address}")).await {
            return client;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing listens on {address}");
}

#[tokio::test]
async fn a_thousand_sign_ins_by_password_leave_no_memory_taken() {
    let (grpc, http) = (free_address(), free_address());
    let args = [
        "--database-url=memory:".to_owned(),
        "--log=warn".to_owned(),
        format!("--listen={grpc}"),
        format!("--http-listen={http}"),
        format!("--issuer=http://{http}"),
    ];
    let program = Command::new(env!("CARGO_BIN_EXE_idp-stub")).env_clear().args(args).spawn();
    let program = Program(program.unwrap());
    let client = connect(grpc).await;
    let users = (0..AT_ONCE).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move {
            for _ in 0..SIGN_INS / AT_ONCE {
                let request =
                    SignInRequest { username: "alice".into(), password: "alice-password".into() };
                client.sign_in(request).await.unwrap();
            }
        })
    });
    for user in users.collect::<Vec<_>>() {
        user.await.unwrap();
    }
    // The most that it ever had, and so what it has now too.
    for name in ["VmRSS", "VmHWM"] {
        let bytes = program.bytes(name);
        assert!(bytes <= MAX_RESIDENT_BYTES, "{name} is {bytes} bytes");
    }
}
