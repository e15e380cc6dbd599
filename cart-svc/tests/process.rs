//! The program itself: what it says, and how it starts and ends.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Output, Stdio},
};

/// The program, without settings from outside.
fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cart-svc"));
    command.env_clear().args(args);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An address where nobody listens.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}

#[test]
fn the_version_names_the_commit() {
    let output = program(&["--version"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.trim_end(), format!("cart-svc {}", kit_service::version()));
}

#[test]
fn a_health_check_of_a_server_that_is_not_there_fails_with_one_sentence() {
    let listen = format!("--listen={}", free_address());
    let output = program(&["--check-health", &listen]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("does not answer"), "{text}");
}

#[test]
fn a_health_check_of_a_server_that_is_ready_succeeds() {
    let listen = format!("--listen={}", free_address());
    let mut server = program(&["--database-url=memory:", &listen]).spawn().unwrap();
    let is_ready = (0..200).any(|_| {
        program(&["--check-health", &listen]).stderr(Stdio::null()).status().unwrap().success()
    });
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(is_ready);
}

#[test]
fn the_port_is_closed_while_the_database_is_waited_for() {
    let address = free_address();
    let listen = format!("--listen={address}");
    let database = format!("--database-url=postgres://cart:hunter2@{}/cart", free_address());
    let mut server = program(&[&listen, &database])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = server.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(first.contains("cart-svc") && first.contains(&address.to_string()), "{first}");
    let line = lines.next().unwrap();
    assert!(line.contains("not there yet") && !line.contains("hunter2"), "{line}");
    assert!(TcpStream::connect(address).is_err());
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_database_that_never_comes_ends_the_program_with_one_sentence() {
    let database = format!("--database-url=postgres://cart:hunter2@{}/cart", free_address());
    let output = program(&[&database, "--database-wait-seconds=0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(text.contains("cannot open the database 127.0.0.1:"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
