//! What someone who has just started a store needs to know: where it is, and how to talk to it.

use std::io::{self, Write};

use crate::{
    store::{Service, Store},
    table::{Align::Left, Table},
};

/// Writes the addresses and a first call.
///
/// # Errors
/// Those of `out`.
pub fn welcome(out: &mut impl Write, store: &Store) -> io::Result<()> {
    writeln!(out, "\nThe store is open.\n")?;
    addresses(store).write_to(out)?;
    let (idp, controller) = (store.address(Service::Idp), store.address(Service::Controller));
    writeln!(
        out,
        r#"
Sign in, then look around (with grpcurl; bob and demo have such passwords, too):

  TOKEN=$(grpcurl -plaintext -d '{{"username": "alice", "password": "alice-password"}}' \
    {idp} oxcart.idp.v1.IdpService/SignIn | sed -n 's/.*"accessToken": *"\([^"]*\)".*/\1/p')
  grpcurl -plaintext -H "authorization: Bearer $TOKEN" \
    {controller} oxcart.controller.v1.ControllerService/GetStorefront

Ctrl-C closes the store; what is in it stays."#
    )
}

fn addresses(store: &Store) -> Table<3> {
    let mut table = Table::new([("service", Left), ("address", Left), ("for", Left)]);
    let mut row = |name: &str, url: String, what: &str| {
        table.row([name.to_owned(), url, what.to_owned()]);
    };
    let url = |service| store.url(service);
    row("controller", url(Service::Controller), "clients of the shop (gRPC)");
    row("idp", url(Service::Idp), "sign-in (gRPC)");
    row("", store.issuer(), "OpenID Connect (HTTP)");
    row("catalog", url(Service::Catalog), "items for sale (gRPC)");
    row("cart", url(Service::Cart), "carts and checkouts (gRPC)");
    row("payment", url(Service::Payment), "payments (gRPC)");
    table
}
