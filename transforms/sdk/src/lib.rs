//! What a Tidegate transform in Rust is written with.
//!
//! Implement [`Transform`] for a type that holds the settings, and name that type in
//! [`export!`]. The rest is for reading events strictly ([`Event::capture`], [`payload`],
//! [`number`], [`timestamp`]), for settings ([`settings`]), for answers ([`PublicData`],
//! [`publish`], [`reject`]), and for what a component says of itself ([`market`], [`sample`]).
//! What may be published is each component's own affair, and stays out of here.

// What is derived names this crate, also in its own tests.
#[cfg(test)]
extern crate self as tidegate_sdk;

pub mod contract;
mod event;
pub mod market;
pub mod number;
pub mod panics;
pub mod payload;
pub mod reject;
pub mod sample;
pub mod schema;
pub mod settings;
pub mod timestamp;
#[cfg(test)]
mod vectors;

pub use contract::{
    AllowedValues, Configuration, Delivery, Descriptor, Event, Family, Message, Parameter,
    Publication, Rejection, RejectionReason, Sample,
};
pub use payload::Payload;
pub use schema::{PublicData, Schema};
pub use settings::Settings;
pub use tidegate_sdk_derive::PublicData;

#[doc(hidden)]
pub use serde;

/// A transform: what it is, settings in, then one answer for each event.
///
/// The functions are plain Rust, so tests and benchmarks call them without WebAssembly.
pub trait Transform: Sized + 'static {
    /// What the component says of itself, whatever its settings.
    fn describe() -> Descriptor;

    /// Reads the operator's settings (a JSON object that the descriptor's `settings-schema`
    /// allows) and gives the transform they make, with what it listens to and its samples. The
    /// error is shown to the operator.
    fn configure(settings: &str) -> Result<(Self, Configuration), String>;

    /// Answers one event: what to publish, or why nothing is.
    fn transform(&self, event: &Event) -> Result<Vec<Publication>, Rejection>;
}

/// One publication on `channel`, with `data` as JSON in the order of its fields.
pub fn publish(
    channel: String,
    message_type: &str,
    data: &impl serde::Serialize,
) -> Result<Publication, Rejection> {
    match serde_json::to_string(data) {
        Ok(data) => Ok(Publication {
            channel,
            message_type: message_type.to_owned(),
            data,
        }),
        Err(_) => Err(reject::invalid("data", "values that JSON can carry")),
    }
}

/// Makes a type that implements [`Transform`] the crate's component, whose panics say what they
/// are (see [`panics`]).
#[macro_export]
macro_rules! export {
    ($transform:ty) => {
        // Natively nobody calls the exports, and two guests in one program would have them twice.
        #[cfg(target_family = "wasm")]
        const _: () = {
            ::std::thread_local! {
                static CONFIGURED: ::std::cell::RefCell<Option<$transform>> =
                    const { ::std::cell::RefCell::new(None) };
            }

            struct Component;

            impl $crate::contract::Guest for Component {
                fn describe() -> $crate::Descriptor {
                    $crate::panics::tell();
                    <$transform as $crate::Transform>::describe()
                }

                fn configure(settings: String) -> Result<$crate::Configuration, String> {
                    $crate::panics::tell();
                    let (transform, configuration) =
                        <$transform as $crate::Transform>::configure(&settings)?;
                    CONFIGURED.replace(Some(transform));
                    Ok(configuration)
                }

                fn transform(
                    event: $crate::Event,
                ) -> Result<Vec<$crate::Publication>, $crate::Rejection> {
                    CONFIGURED.with_borrow(|configured| match configured {
                        Some(transform) => $crate::Transform::transform(transform, &event),
                        None => Err($crate::reject::unwanted("configure was not called")),
                    })
                }
            }

    $crate::contract::export_component!(Component with_types_in $crate::contract);
        };
    };
}
