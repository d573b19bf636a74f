//! The ACL rules that a restricted Redis user needs for these settings, for an operator to
//! paste. This is a terminal and no log: upstream channels may stand here.

use std::fmt::Write;
use std::sync::Arc;

use crate::fleet;
use crate::settings::{Role, Settings};
use crate::transform::Component;
use crate::upstream::redis::acl;
use crate::upstream::relay;

pub(super) fn text(settings: &Settings, components: &[Arc<Component>]) -> String {
    let patterns = components.iter();
    let patterns: Vec<_> = patterns.flat_map(|component| component.globs()).collect();
    let relay = relay::acl_rules(&settings.fleet_name, settings.role);
    // An edge host listens to the relay only.
    let subscription = match settings.role {
        Role::Edge => Vec::new(),
        Role::Both | Role::Ingest => acl::rules(settings, &patterns).to_vec(),
    };
    let fleet = fleet::acl_rules(settings).into_iter().flatten();
    let fleet = relay.into_iter().flatten().chain(fleet);
    let mut text =
        "\nThe Redis user needs at least (ACL SETUSER name on >password resetchannels …)\n"
            .to_owned();
    for rules in subscription.into_iter().chain(fleet) {
        // A String takes everything.
        let _ = writeln!(text, "  {rules}");
    }
    if settings.state_dir.is_some() {
        text.push_str(
            "and an & with each upstream channel of other revisions, as `tidegate transform show` has \
             them, with * for each {name}\n",
        );
    }
    text.push('\n');
    text
}
