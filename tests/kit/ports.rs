//! Ports that nobody listens on.

use std::net::TcpListener;

/// A port that was free a moment ago: whoever binds it must be ready to try another.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}
