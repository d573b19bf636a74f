//! What Tidegate promises, tested through its real sockets: one file a behaviour, one test
//! binary. The names are sentences; the kit is the library beside it.

mod admin;
mod asyncapi;
mod backpressure;
mod browser;
mod closes;
mod crowding;
mod demo;
mod descriptors;
mod doors;
mod heartbeat;
mod hostile;
mod keys;
mod kit;
mod limits;
mod load;
mod outage;
mod permits;
mod protocol;
mod rate;
mod readme;
mod refused;
mod settings;
mod shutdown;
mod subscriptions;
mod tidy;
mod upstream;
mod vectors;
