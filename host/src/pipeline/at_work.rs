//! What this host makes now, for those that deliver it elsewhere.

use super::Intake;
use crate::hub::OriginMark;

/// A family whose messages are made here.
#[derive(Debug, Clone)]
pub struct WorkingFamily {
    pub family: String,
    pub transform: String,
    /// Of the revision that runs.
    pub mark: OriginMark,
}

/// All families whose messages are made here.
pub fn at_work(intake: &Intake) -> Vec<WorkingFamily> {
    let routes = intake.routes.read();
    let families = routes.iter().flat_map(|route| {
        let mark = route.origin.mark();
        route.families.iter().map(move |family| WorkingFamily {
            family: family.clone(),
            transform: route.transform.clone(),
            mark: mark.clone(),
        })
    });
    families.collect()
}
