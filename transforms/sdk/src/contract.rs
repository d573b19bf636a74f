//! The Rust face of the contract, generated from the copy in `wit`: its records, its `log`, and
//! the macro behind [`export!`](crate::export). What they mean is documented in that file.
#![allow(
    unsafe_code,
    unreachable_pub,
    missing_docs,
    clippy::all,
    clippy::restriction,
    clippy::pedantic,
    reason = "generated code, which crosses the component boundary with raw pointers"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "transform",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "tidegate_sdk::contract",
    additional_derives: [PartialEq, Eq],
});

pub use exports::tidegate::transform::guest::Guest;
pub use tidegate::transform::log;
pub use tidegate::transform::types::{
    AllowedValues, Configuration, Delivery, Descriptor, Event, Family, Message, Parameter,
    Publication, Rejection, RejectionReason, Sample,
};
