//! The rules of the house hold, and the check of them can fail.

use std::path::Path;

use e2e::house_rules::{SERVICES, check_manifest, check_modules, check_source, check_workspace};

#[test]
fn the_house_is_in_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (files, violations) = check_workspace(&root).unwrap();
    assert!(files > 50, "only {files} files were found");
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{}", list.join("\n"));
}

fn manifest(name: &str, dependencies: &str) -> String {
    format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{dependencies}")
}

#[test]
fn a_service_that_depends_on_another_is_found() {
    for table in [
        "dependencies",
        "dev-dependencies",
        "build-dependencies",
        "target.'cfg(unix)'.dependencies",
    ] {
        for dependency in [
            "idp-stub.workspace = true",
            "idp-stub = { path = \"../idp-stub\" }",
            "x = { package = \"idp-stub\", path = \"..\" }",
        ] {
            let text = manifest("cart-svc", &format!("[{table}]\n{dependency}"));
            let wrong = check_manifest("cart-svc/Cargo.toml", &text);
            assert_eq!(wrong, ["cart-svc must not depend on idp-stub"], "{table} {dependency}");
        }
    }
}

#[test]
fn what_each_crate_may_depend_on_is_let_pass() {
    for (name, dependency) in [
        ("cart-svc", "kit-database"),
        ("kit-rpc", "kit-balance"),
        ("oxcart", "cart-svc"),
        ("e2e", "oxcart"),
        ("loadgen", "oxcart-proto"),
        ("cart-svc", "tokio"),
    ] {
        let text = manifest(name, &format!("[dependencies]\n{dependency}.workspace = true"));
        assert_eq!(check_manifest("x/Cargo.toml", &text), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_kernel_the_contract_and_the_tools_know_no_service() {
    for name in
        ["oxcart-types", "oxcart-proto", "kit-rpc", "kit-testing", "oxcart-client", "loadgen"]
    {
        for service in SERVICES {
            let text = manifest(name, &format!("[dependencies]\n{service}.workspace = true"));
            assert_eq!(check_manifest("x/Cargo.toml", &text).len(), 1, "{name} {service}");
        }
    }
}

#[test]
fn a_dependency_upwards_or_of_a_product_on_what_tests_need_is_found() {
    for (name, dependency) in [
        ("kit-service", "kit-rpc"),
        ("kit-balance", "oxcart-types"),
        ("kit-database", "kit-rpc"),
        ("kit-rpc", "kit-database"),
        ("kit-rpc", "kit-testing"),
        ("controller-svc", "kit-database"),
        ("controller-svc", "sqlx"),
        ("kit-service", "sqlx"),
    ] {
        let text = manifest(name, &format!("[dev-dependencies]\n{dependency}.workspace = true"));
        assert_eq!(check_manifest("x/Cargo.toml", &text).len(), 1, "{name} {dependency}");
    }
    let text = manifest("cart-svc", "[dependencies]\nkit-testing.workspace = true");
    let wrong = ["cart-svc may have kit-testing for its tests only"];
    assert_eq!(check_manifest("x/Cargo.toml", &text), wrong);
}

#[test]
fn a_crate_without_the_lints_or_unknown_is_found() {
    let text = "[package]\nname = \"cart-svc\"";
    assert_eq!(check_manifest("x/Cargo.toml", text), ["cart-svc must have the workspace's lints"]);
    assert_eq!(check_manifest("x/Cargo.toml", &manifest("utils", "")).len(), 1);
}

#[test]
fn a_service_without_a_module_that_every_service_has_is_found() {
    let all = |service: &str| {
        check_modules(&[]).into_iter().filter(|v| v.file.starts_with(service)).count()
    };
    for (service, modules) in [("cart-svc", 14), ("controller-svc", 10), ("idp-stub", 14)] {
        assert_eq!(all(service), modules, "{service}");
    }
    let files =
        vec!["cart-svc/src/api/request.rs".to_owned(), "cart-svc/src/api/reply.rs".to_owned()];
    let missing: Vec<_> = check_modules(&files).into_iter().map(|v| v.file).collect();
    assert!(!missing.contains(&"cart-svc/src/api/request.rs".to_owned()), "{missing:?}");
    assert!(missing.contains(&"cart-svc/src/api/response.rs".to_owned()), "{missing:?}");
}

/// Each of these must be found; without the check that it is for, it would pass.
#[test]
fn what_is_said_in_the_wrong_room_is_found() {
    for (file, code) in [
        ("cart-svc/src/domain/cart.rs", "use tokio::time::sleep;"),
        ("cart-svc/src/domain.rs", "fn f(status: tonic::Status) {}"),
        ("cart-svc/src/domain/cart.rs", "use kit_service::Env;"),
        ("cart-svc/src/domain/cart.rs", "let now = std::time::SystemTime::now();"),
        ("cart-svc/src/domain/cart.rs", "tracing::info!(\"x\");"),
        ("cart-svc/src/domain/cart.rs", "async fn f() {}"),
        ("cart-svc/src/domain/cart.rs", "use crate::store::Store;"),
        ("cart-svc/src/domain.rs", "use super::app::Carts;"),
        ("cart-svc/src/domain/cart.rs", "use super::super::{app::Carts};"),
        ("cart-svc/src/store/memory.rs", "use crate::{app::Carts, domain::Cart};"),
        ("cart-svc/src/store/memory.rs", "use oxcart_proto::cart::Cart;"),
        ("cart-svc/src/app/carts.rs", "use crate::api::CartApi;"),
        ("cart-svc/src/app/carts.rs", "use oxcart_proto::cart as pb;"),
        ("cart-svc/src/app/carts.rs", "fn f() -> sqlx::Error { }"),
        ("cart-svc/src/app/carts.rs", "let q = \"select cart_id from cart\";"),
        ("cart-svc/src/app/carts.rs", "let q = r#\"\n  UPDATE cart SET x = 1\"#;"),
        ("cart-svc/src/lib.rs", "let q = \"delete from cart\";"),
        ("cart-svc/src/api/carts.rs", "use crate::store::StoreError;"),
        ("cart-svc/src/api/carts.rs", "let x = std::env::var(\"X\");"),
        ("cart-svc/src/lib.rs", "use std::{env, fs}; fn f() { env::args(); }"),
        ("cart-svc/src/app.rs", "#[arg(long, env = \"X\")] x: u8,"),
        ("cart-svc/src/lib.rs", "use oxcart_proto::cart::Cart;"),
        ("cart-svc/src/utils.rs", "fn f() {}"),
        ("controller-svc/src/clients.rs", "use crate::app::Checkouts;"),
        ("cart-svc/tests/store.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"),
        ("oxcart/src/lib.rs", "std::env::var(\"HOME\")"),
    ] {
        assert_eq!(check_source(file, code).len().min(1), 1, "{file}: {code}");
    }
}

#[test]
fn what_belongs_in_its_room_is_let_pass() {
    for (file, code) in [
        (
            "cart-svc/src/domain/cart.rs",
            "//! No tokio, no SQL: \"select x from y\".\nuse super::Items;",
        ),
        ("cart-svc/src/domain/cart.rs", "#[cfg(test)]\nmod tests { use tokio::test; }"),
        (
            "cart-svc/src/domain/cart.rs",
            "enum Error { #[error(\"with an item from elsewhere\")] X }",
        ),
        (
            "cart-svc/src/store/sql.rs",
            "use crate::domain::Cart; const Q: &str = \"select 1 from cart\";",
        ),
        ("cart-svc/src/app/carts.rs", "use crate::{domain::Cart, store::Store}; async fn f() {}"),
        (
            "cart-svc/src/api/carts.rs",
            "use oxcart_proto::cart as pb; use crate::{app::Carts, domain::Cart};",
        ),
        ("controller-svc/src/clients.rs", "use oxcart_proto::cart as pb; use crate::domain::Cart;"),
        ("controller-svc/src/app/checkout.rs", "use crate::clients::Payments;"),
        ("controller-svc/src/app/checkout.rs", "use oxcart_proto::Reason;"),
        ("cart-svc/src/config.rs", "#[arg(long, env = \"OXCART_LISTEN\")] listen: String,"),
        ("cart-svc/src/lib.rs", "pub use config::Config; use crate::{api, app, store};"),
        ("cart-svc/src/lib.rs", "use oxcart_proto::cart::cart_service_server::CartServiceServer;"),
        ("cart-svc/tests/store.rs", "const NOTE: &str = \"#[ignore]\";"),
        ("kit/rpc/src/server/args.rs", "#[arg(long, env = \"OXCART_DRAIN\")] drain: u8,"),
    ] {
        assert_eq!(check_source(file, code), Vec::<String>::new(), "{file}: {code}");
    }
}
