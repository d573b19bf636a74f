//! Why a connection ended without an answer of a router, as the metrics name it.

use super::connection::ConnectionEnd;

/// The time for a request's head, or for the upgrade, was over.
pub(super) const TIMED_OUT: &str = "upgrade_timeout";
/// A newer connection took the place.
pub(super) const DISPLACED: &str = "displaced";
const TLS: &str = "tls_on_plain_port";
/// The PROXY protocol where it is not expected, or not as it has to be.
pub(super) const PROXY_HEADER: &str = "proxy_header";
/// The PROXY protocol is expected, and the peer is no trusted proxy.
pub(super) const UNTRUSTED_PROXY: &str = "untrusted_proxy";
/// The address has all the connections that one may have.
pub(crate) const PER_ADDRESS: &str = "per_address";
/// The address has more new connections than one may have.
pub(crate) const ADDRESS_RATE: &str = "address_rate";
const HTTP2: &str = "http2";
const HEAD_TOO_LARGE: &str = "head_too_large";
const BAD_REQUEST: &str = "bad_request";

/// All reasons for which a connection gets no answer by HTTP.
pub(crate) const BEFORE_HTTP: [&str; 10] = [
    TIMED_OUT,
    DISPLACED,
    TLS,
    PROXY_HEADER,
    UNTRUSTED_PROXY,
    PER_ADDRESS,
    ADDRESS_RATE,
    HTTP2,
    HEAD_TOO_LARGE,
    BAD_REQUEST,
];

/// How the PROXY protocol begins, in text and in binary.
const PROXY_TEXT: &[u8] = b"PROXY ";
const PROXY_BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// None where the connection was served, or the client itself left.
pub(super) fn of(ended: &ConnectionEnd, first_bytes: &[u8]) -> Option<&'static str> {
    let error = match ended {
        ConnectionEnd::Served => return None,
        ConnectionEnd::Overdue { idle: true } => return None,
        ConnectionEnd::Overdue { idle: false } => return Some(TIMED_OUT),
        ConnectionEnd::Failed(error) => error,
    };
    if first_bytes.starts_with(b"\x16\x03") {
        return Some(TLS);
    }
    if first_bytes.starts_with(PROXY_TEXT) || first_bytes.starts_with(PROXY_BINARY) {
        return Some(PROXY_HEADER);
    }
    if error.is_parse_version_h2() {
        Some(HTTP2)
    } else if error.is_parse_too_large() {
        Some(HEAD_TOO_LARGE)
    } else if error.is_parse() {
        Some(BAD_REQUEST)
    } else {
        None
    }
}
