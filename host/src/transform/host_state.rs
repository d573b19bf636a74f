//! What the host keeps beside an instance, in its store: what it may use, what it has said, and how
//! its faults are told.

use super::budget::Budget;
use super::contract;
use super::guest_log::GuestLog;
use super::line_table::LineTable;
use super::wasi::Wasi;

/// What the store holds for the host.
#[derive(Debug)]
pub(super) struct HostState {
    pub(super) budget: Budget,
    pub(super) log: GuestLog,
    pub(super) wasi: Wasi,
    /// The lines of sources by which a fault is told.
    pub(super) lines: LineTable,
}

impl contract::log::Host for HostState {
    fn write(&mut self, level: contract::log::Level, message: String) {
        match level {
            contract::log::Level::Error => self.log.complain(level, &message),
            _ => self.log.write(level, &message),
        }
    }
}

impl contract::Host for HostState {}
