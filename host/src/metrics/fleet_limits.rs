//! What is counted of limits that hold for a whole fleet.

use prometheus::IntGauge;

use super::make::{Book, gauge};

#[derive(Clone, Debug)]
pub struct FleetLimitMetrics {
    pub shared: IntGauge,
    pub hosts: IntGauge,
    pub waiting: IntGauge,
}

impl FleetLimitMetrics {
    pub(super) fn new(book: &Book) -> Self {
        Self {
            shared: gauge(
                book,
                "fleet_limits_shared",
                "1 while limits of keys count the connections of all hosts of the fleet; 0 while each host has its share, and without a fleet.",
            ),
            hosts: gauge(
                book,
                "fleet_limit_hosts",
                "Live hosts whose connections count, this one included, as last heard: by so many a limit is divided for a share; 0 without a fleet.",
            ),
            waiting: gauge(
                book,
                "fleet_limit_waiting",
                "Connections that wait for what other hosts have let in, at most fleet-limit-waiting.",
            ),
        }
    }
}
