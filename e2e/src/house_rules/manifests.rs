//! Which crate may depend on which other one of the workspace.

use toml::{Table, Value};

use super::SERVICES;

/// What each crate may build on, beside what is not ours. Arrows point downwards: there is no circle,
/// also not by way of tests.
fn allowed(krate: &str) -> Option<Vec<&'static str>> {
    let contract = ["oxcart-proto", "oxcart-types"];
    let with = |more: &[&'static str]| Some([&contract[..], more].concat());
    let service = [&contract[..], &["kit-rpc", "kit-service", "kit-testing"]].concat();
    let all = || SERVICES.into_iter().chain(KIT).chain(contract).chain(["oxcart-client"]);
    match krate {
        "oxcart-types" | "kit-balance" | "kit-service" => Some(Vec::new()),
        "oxcart-proto" => Some(vec!["oxcart-types"]),
        "kit-rpc" => with(&["kit-balance", "kit-service"]),
        "kit-database" => Some(vec!["kit-service", "oxcart-types"]),
        "kit-testing" => with(&["kit-database", "kit-rpc", "kit-service"]),
        // The client is built into a shop's own programs as well.
        "oxcart-client" => with(&[]),
        "loadgen" => with(&["oxcart-client"]),
        "oxcart" => Some(all().collect()),
        "e2e" => Some(all().chain(["oxcart", "loadgen"]).collect()),
        // It has no store.
        "controller-svc" => Some(service),
        krate if SERVICES.contains(&krate) => Some([&service[..], &["kit-database"]].concat()),
        _ => None,
    }
}

/// The crates that every service is built from.
const KIT: [&str; 5] = ["kit-balance", "kit-database", "kit-rpc", "kit-service", "kit-testing"];

const OTHERS: [&str; 6] =
    ["oxcart-proto", "oxcart-types", "oxcart-client", "oxcart", "e2e", "loadgen"];

/// Who may have a database's driver: a store, and what is made for stores.
fn may_have_sqlx(krate: &str) -> bool {
    matches!(krate, "kit-database" | "kit-testing")
        || SERVICES.contains(&krate) && krate != "controller-svc"
}

fn is_ours(krate: &str) -> bool {
    OTHERS.contains(&krate) || KIT.contains(&krate) || SERVICES.contains(&krate)
}

/// What is wrong with a `Cargo.toml`.
#[must_use]
pub fn check_manifest(file: &str, text: &str) -> Vec<String> {
    let Ok(manifest) = text.parse::<Table>() else { return vec!["is no TOML".to_owned()] };
    let Some(name) = manifest.get("package").and_then(|package| package.get("name")?.as_str())
    else {
        // The workspace's own manifest has no package.
        return if file == "Cargo.toml" { Vec::new() } else { vec!["names no package".to_owned()] };
    };
    let Some(allowed) = allowed(name) else {
        return vec![format!("the house rules know no crate {name}: say what it may depend on")];
    };
    let forbidden = |krate: &String| match krate.as_str() {
        "sqlx" => !may_have_sqlx(name),
        krate => is_ours(krate) && !allowed.contains(&krate),
    };
    let mut wrong: Vec<String> = dependencies(&manifest)
        .into_iter()
        .filter(forbidden)
        .map(|krate| format!("{name} must not depend on {krate}"))
        .collect();
    let products = manifest.get("dependencies").and_then(Value::as_table);
    if products.is_some_and(|products| products.contains_key("kit-testing")) {
        wrong.push(format!("{name} may have kit-testing for its tests only"));
    }
    let inherits = |table: &Table| table.get("lints")?.get("workspace")?.as_bool();
    if inherits(&manifest) != Some(true) {
        wrong.push(format!("{name} must have the workspace's lints"));
    }
    wrong
}

/// The real names of all dependencies, of whatever kind and platform.
fn dependencies(manifest: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in manifest {
        let Value::Table(table) = value else { continue };
        if key.ends_with("dependencies") {
            found.extend(table.iter().map(|(name, wanted)| real_name(name, wanted)));
        } else if key == "target" {
            let platforms = table.values().filter_map(Value::as_table);
            found.extend(platforms.flat_map(dependencies));
        }
    }
    found
}

fn real_name(name: &str, wanted: &Value) -> String {
    wanted.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
}
