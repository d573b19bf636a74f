//! What is counted where components become machine code, and of the code that is kept.

use prometheus::{IntCounterVec, IntGauge};

use super::make::{Book, counters, gauge};

/// The metrics of compilations.
#[derive(Clone, Debug)]
pub struct CompilingMetrics {
    pub compilations: IntCounterVec,
    /// Functions of components that were compiled, and whose code was there.
    pub functions: IntCounterVec,
    /// Bytes of compiled code that no revision names.
    pub refused_code_bytes: IntGauge,
    /// Bytes of code of single functions.
    pub reusable_code_bytes: IntGauge,
    /// Bytes of lines that traps are told by.
    pub line_table_bytes: IntGauge,
}

impl CompilingMetrics {
    pub(super) fn new(book: &Book) -> Self {
        let metrics = Self {
            compilations: counters(
                book,
                "compilations_total",
                "Components compiled, taken from the cache, refused, or refused as they were before.",
                &["outcome"],
            ),
            functions: counters(
                book,
                "compiled_functions_total",
                "Functions of components that were compiled, or whose code another component brought.",
                &["outcome"],
            ),
            refused_code_bytes: gauge(
                book,
                "refused_code_bytes",
                "Bytes of compiled code of components that were refused or only checked.",
            ),
            reusable_code_bytes: gauge(
                book,
                "reusable_code_bytes",
                "Bytes of compiled code of single functions, for components that are alike.",
            ),
            line_table_bytes: gauge(
                book,
                "line_table_bytes",
                "Bytes held in memory of which lines components were made from, so that a trap names them.",
            ),
        };
        for outcome in ["compiled", "cached", "refused", "refused_before"] {
            metrics.compilations.with_label_values(&[outcome]);
        }
        for outcome in ["compiled", "reused"] {
            metrics.functions.with_label_values(&[outcome]);
        }
        metrics
    }
}
