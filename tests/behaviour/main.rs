//! What Tidegate promises, tested through its real sockets: one file a behaviour, one test
//! binary. The names are sentences; the kit is the library beside it.

mod backpressure;
mod closes;
mod crowding;
mod doors;
mod heartbeat;
mod keys;
mod load;
mod outage;
mod permits;
mod protocol;
mod rate;
mod subscriptions;
mod upstream;
