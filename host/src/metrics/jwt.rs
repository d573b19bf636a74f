//! What is counted of signed tokens, and of the keys that they are judged by.

use prometheus::{IntCounterVec, IntGauge};

use super::make::{Book, counters, gauge};

/// The metrics of signed tokens.
#[derive(Clone, Debug)]
pub struct JwtMetrics {
    /// 1 while the keys can be read, or where no token is taken.
    pub ok: IntGauge,
    pub keys: IntGauge,
    pub refused: IntCounterVec,
}

impl JwtMetrics {
    pub(super) fn new(book: &Book) -> Self {
        let metrics = Self {
            ok: gauge(
                book,
                "jwt_keys_ok",
                "1 while the keys of signed tokens can be read, or where no such token is taken.",
            ),
            keys: gauge(
                book,
                "jwt_keys",
                "Keys in force that tokens may be signed by.",
            ),
            refused: counters(
                book,
                "jwt_refused_total",
                "Signed tokens that let nobody in.",
                &["reason"],
            ),
        };
        metrics.ok.set(1);
        metrics
    }
}
