//! The process as Prometheus' own libraries show it. The crate's collector counts the time of
//! the processor in whole seconds; here it is what the kernel says, to the nanosecond.

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Counter, MetricFamily};
use rustix::time::{ClockId, clock_gettime};

const CPU: &str = "process_cpu_seconds_total";

#[derive(Debug, Clone)]
pub(super) struct ProcessMetrics(std::sync::Arc<ProcessCollector>);

impl ProcessMetrics {
    pub(super) fn new() -> Self {
        Self(ProcessCollector::for_self().into())
    }
}

impl Collector for ProcessMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        let cpu = families.iter_mut().find(|family| family.name() == CPU);
        if let Some(metric) = cpu.and_then(|family| family.mut_metric().first_mut()) {
            let mut counter = Counter::default();
            counter.set_value(cpu_seconds());
            metric.set_counter(counter);
        }
        families
    }
}

/// Of all threads of this process, those that have ended too; it never goes back.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_the_processor_is_told_in_parts_of_a_second() {
        let read = || {
            let families = ProcessMetrics::new().collect();
            let family = families.iter().find(|family| family.name() == CPU).unwrap();
            family.get_metric()[0].get_counter().get_value()
        };
        let before = read();
        let started = cpu_seconds();
        while cpu_seconds() - started < 0.02 {}
        let spent = read() - before;
        assert!((0.02..5.0).contains(&spent), "{spent}");
    }
}
