//! What the settings mean for parts that know nothing of settings.

use crate::session;
use crate::settings::Settings;
use crate::transform::limits::Limits;

/// What a session may do, by the settings.
pub(crate) fn session_limits(settings: &Settings) -> session::SessionLimits {
    session::SessionLimits {
        heartbeat_interval: settings.heartbeat_interval,
        max_subscriptions: settings.max_subscriptions,
        max_channels_per_message: settings.max_channels_per_message,
        message_rate: settings.client_message_rate,
        message_burst: settings.client_message_burst,
        max_message_size: settings.max_message_size,
        drain_time: settings.drain_time,
        lag_limit: settings.lag_limit,
        stall_limit: settings.stall_limit,
        kernel_unsent: settings.kernel_unsent_limit,
    }
}

/// Bytes that an upload may have: those of the transform that may have the most.
pub(crate) fn largest_component(settings: &Settings) -> u64 {
    let transforms = settings.transforms.iter();
    let largest = transforms
        .map(|settings| settings.limits.max_component_size)
        .max();
    largest
        .unwrap_or_default()
        .max(Limits::default().max_component_size)
}

/// The number of loops: one for each core, unless the settings say otherwise.
pub(super) fn loops(settings: &Settings) -> usize {
    match settings.loops {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}
