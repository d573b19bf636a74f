//! What a guest holds handles of. There is nothing behind them but a number, so the host keeps no
//! table of them and nothing has to be given back; the store bounds how many there are.

use wasmtime::component::ResourceType;

/// Something to wait for, which is always there already.
#[derive(Debug)]
pub(super) struct Pollable;

/// A stream that has ended.
#[derive(Debug)]
pub(super) struct InputStream;

/// A stream into the log, by the number of `streams`.
#[derive(Debug)]
pub(super) struct OutputStream;

/// Why a stream failed: none ever does.
#[derive(Debug)]
pub(super) struct StreamFailure;

/// All others: networks, sockets, folders, requests. Those that a guest can have at all do
/// nothing.
#[derive(Debug)]
pub(super) struct Hollow;

/// The number of what has no difference to make.
pub(super) const ANY: u32 = 0;

/// The type that a resource of this name has, in whichever interface it is named.
pub(super) fn named(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "error" | "io-error" => ResourceType::host::<StreamFailure>(),
        _ => ResourceType::host::<Hollow>(),
    }
}
