//! Generates messages, clients and servers from the `.proto` files, without `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const PROTOS: [&str; 14] = [
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
    "oxcart/type/v1/cart_state.proto",
    "oxcart/type/v1/checkout_state.proto",
    "oxcart/type/v1/error_reason.proto",
    "oxcart/type/v1/item.proto",
    "oxcart/type/v1/line.proto",
    "oxcart/type/v1/money.proto",
    "oxcart/catalog/v1/catalog_service.proto",
    "oxcart/cart/v1/cart_service.proto",
    "oxcart/cart/v1/checkout_service.proto",
    "oxcart/payment/v1/payment_service.proto",
    "oxcart/idp/v1/idp_service.proto",
    "oxcart/controller/v1/controller_service.proto",
];

/// Messages that hold a secret. `src/redacted.rs` gives them a `Debug` that shows none.
const SECRETS: [&str; 14] = [
    ".oxcart.cart.v1.Checkout",
    ".oxcart.cart.v1.MarkPurchasedRequest",
    ".oxcart.controller.v1.Card",
    ".oxcart.controller.v1.CheckoutRequest",
    ".oxcart.controller.v1.TokenizeCardResponse",
    ".oxcart.idp.v1.ImpersonateUserRequest",
    ".oxcart.idp.v1.IssueServiceTokenRequest",
    ".oxcart.idp.v1.IssueServiceTokenResponse",
    ".oxcart.idp.v1.RefreshRequest",
    ".oxcart.idp.v1.SignInRequest",
    ".oxcart.idp.v1.UserTokens",
    ".oxcart.payment.v1.Card",
    ".oxcart.payment.v1.ChargeRequest",
    ".oxcart.payment.v1.TokenizeResponse",
];

#[expect(clippy::disallowed_methods, reason = "how cargo talks to a build script")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=google");
    println!("cargo:rerun-if-changed=oxcart");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(PROTOS)?;
    let descriptors = compiler.file_descriptor_set();

    // Reflection serves these bytes, comments included.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("oxcart_descriptor.bin"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .skip_debug(SECRETS)
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}
