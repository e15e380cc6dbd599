//! The contract: everything that the services say to each other and to clients, generated from
//! `oxcart/**/*.proto`; every conversion between messages and the words of `oxcart-types`; and how an
//! error is written into a status and read from it. Services meet here and nowhere else.

pub mod convert;
pub mod error;
mod fields;
mod reason;
mod redacted;

/// `google.rpc`, as far as errors need it.
mod google {
    #![allow(
        missing_docs,
        rustdoc::all,
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated from a vendored file"
    )]

    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}

/// The packages as the generated code expects them.
mod oxcart {
    #![allow(
        missing_docs,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated, and which lints it meets changes with the generator"
    )]

    pub mod r#type {
        pub mod v1 {
            tonic::include_proto!("oxcart.r#type.v1");
        }
    }
    pub mod catalog {
        pub mod v1 {
            tonic::include_proto!("oxcart.catalog.v1");
        }
    }
    pub mod cart {
        pub mod v1 {
            tonic::include_proto!("oxcart.cart.v1");
        }
    }
    pub mod payment {
        pub mod v1 {
            tonic::include_proto!("oxcart.payment.v1");
        }
    }
    pub mod idp {
        pub mod v1 {
            tonic::include_proto!("oxcart.idp.v1");
        }
    }
    pub mod controller {
        pub mod v1 {
            tonic::include_proto!("oxcart.controller.v1");
        }
    }
}

pub use error::{Reason, Refusal};
pub use fields::BadFields;
pub use google::rpc;
pub use oxcart::{
    cart::v1 as cart, catalog::v1 as catalog, controller::v1 as controller, idp::v1 as idp,
    payment::v1 as payment, r#type::v1 as common,
};
pub use reason::DOMAIN;

/// The encoded `FileDescriptorSet` of the whole contract, with comments, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("oxcart_descriptor");
