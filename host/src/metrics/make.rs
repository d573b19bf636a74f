//! How metrics are made: named, registered, with their buckets, and written into the book that
//! the document comes from.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::proto::MetricType;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// All metrics of one host. A clone writes into the same one, under a heading of its own.
#[derive(Debug, Clone)]
pub(super) struct Book {
    pub(super) registry: Registry,
    heading: &'static str,
    entries: Arc<Mutex<Vec<MetricDoc>>>,
}

/// A metric as operators are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MetricDoc {
    pub(super) heading: &'static str,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) labels: Vec<String>,
    pub(super) help: String,
}

impl Book {
    pub(super) fn new(heading: &'static str) -> Self {
        Self {
            registry: Registry::new(),
            heading,
            entries: Arc::default(),
        }
    }

    pub(super) fn under(&self, heading: &'static str) -> Self {
        Self {
            heading,
            ..self.clone()
        }
    }

    pub(super) fn entries(&self) -> Vec<MetricDoc> {
        self.entries.lock().clone()
    }

    pub(super) fn register<M: Collector + Clone + 'static>(&self, metric: M) -> M {
        let families = metric.collect();
        let kind = |name: &str| {
            let family = families.iter().find(|family| family.name() == name);
            match family.map(|family| family.get_field_type()) {
                Some(MetricType::COUNTER) => "counter",
                Some(MetricType::HISTOGRAM) => "histogram",
                _ => "gauge",
            }
        };
        let entries = metric.desc().into_iter().map(|desc| MetricDoc {
            heading: self.heading,
            name: desc.fq_name.clone(),
            kind: kind(&desc.fq_name),
            labels: desc.variable_labels.clone(),
            help: desc.help.clone(),
        });
        self.entries.lock().extend(entries);
        self.registry
            .register(Box::new(metric.clone()))
            .expect("each name is registered once");
        metric
    }
}

fn register<M: Collector + Clone + 'static>(book: &Book, metric: prometheus::Result<M>) -> M {
    book.register(metric.expect("names, labels and buckets are valid constants"))
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("tidegate")
}

pub(super) fn gauge(book: &Book, name: &str, help: &str) -> IntGauge {
    register(book, IntGauge::with_opts(opts(name, help)))
}

pub(super) fn gauges(book: &Book, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(book, IntGaugeVec::new(opts(name, help), labels))
}

/// Gauges of what is not counted in whole numbers.
pub(super) fn fractions(book: &Book, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    register(book, GaugeVec::new(opts(name, help), labels))
}

pub(super) fn counter(book: &Book, name: &str, help: &str) -> IntCounter {
    register(book, IntCounter::with_opts(opts(name, help)))
}

pub(super) fn counters(book: &Book, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(book, IntCounterVec::new(opts(name, help), labels))
}

pub(super) fn histogram(book: &Book, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    register(
        book,
        Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec())),
    )
}

pub(super) fn histograms(
    book: &Book,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> HistogramVec {
    register(
        book,
        HistogramVec::new(
            HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec()),
            labels,
        ),
    )
}
