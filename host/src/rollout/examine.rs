//! Whether a component that was sent may run here, and as what.
//!
//! It says its name before it is given any settings, and gets those of the transform of that
//! name, or of the one that it was sent for. It never sees another's.

use std::sync::Arc;

use serde_json::{Value, json};

use super::claims::refuse_conflicts;
use super::loader::{Code, Loaded, Trust};
use super::{PushRequest, Refused, Registry};
use crate::settings::limits_from_json;
use crate::transform::Described;
use crate::transform::limits::Limits;

/// How a component is to run.
struct Configuration {
    settings: Value,
    limits: Limits,
    /// The settings that were taken over and that nobody is shown of what runs, as JSON
    /// pointers.
    secret: Vec<String>,
}

/// Loads a component with the settings and limits that it would run with, and holds it
/// against what runs.
///
/// # Errors
/// All that is wrong with it, and whose it is where it said so.
pub(super) async fn examine(
    registry: &Registry,
    bytes: &Arc<[u8]>,
    request: &PushRequest,
) -> Result<Loaded, Refused> {
    if let Some(settings) = &request.settings
        && !settings.is_object()
    {
        return Err(Refused::Settings("they are an object, such as {}".into()));
    }
    let (code, described) = describe(registry, bytes, request).await?;
    let name = described.name().map(str::to_owned);
    let refuse = |faults| {
        let transform = name.clone().or_else(|| request.transform.clone());
        Refused::Check { transform, faults }
    };
    if let Some((own, asked)) = name.as_ref().zip(request.transform.as_ref())
        && own != asked
    {
        let misnamed = format!("its name is \"{own}\", and it was sent for \"{asked}\"");
        return Err(refuse([vec![misnamed], described.faults()].concat()));
    }
    let configuration = configuration(
        registry,
        name.as_deref().or(request.transform.as_deref()),
        request,
    )?;
    let described = if *described.limits() == configuration.limits {
        described
    } else {
        // It was asked within more than it will have.
        let again = registry.loader.describe(&code, &configuration.limits).await;
        let again = again.map_err(&refuse)?;
        if again.name() != described.name() {
            return Err(refuse(vec![renamed(&described, &again)]));
        }
        again
    };
    let shown = configuration.would_show(&described);
    if !shown.is_empty() {
        return Err(refuse([described.faults(), shown].concat()));
    }
    let loaded = registry
        .loader
        .configure(&code, described, &configuration.settings)
        .await;
    let loaded = loaded.map_err(&refuse)?;
    if let Some(certificate) = &request.certificate {
        let fits = certificate.check(&loaded.component.digest);
        fits.map_err(|fault| refuse(vec![fault]))?;
    }
    refuse_conflicts(registry, &loaded.component)?;
    Ok(loaded)
}

/// Asks a component what it is, within the limits that it may come to run with: those of
/// the transform that it is for, or, where that is not said, the widest of any.
async fn describe(
    registry: &Registry,
    bytes: &Arc<[u8]>,
    request: &PushRequest,
) -> Result<(Arc<Code>, Described), Refused> {
    let refuse = |faults| Refused::Check {
        transform: request.transform.clone(),
        faults,
    };
    let possible = match &request.transform {
        Some(name) => {
            registry.with_running(name, |_| ())?;
            vec![configuration(registry, Some(name), request)?.limits]
        }
        None => possible_limits(registry, request)?,
    };
    let widest = widest(&possible);
    let code = registry.loader.code(bytes, Trust::None, possible).await;
    let code = code.map_err(refuse)?;
    let described = registry.loader.describe(&code, &widest).await;
    Ok((code, described.map_err(refuse)?))
}

/// The limits of a new transform first.
fn possible_limits(registry: &Registry, request: &PushRequest) -> Result<Vec<Limits>, Refused> {
    let mut possible = vec![merged(&Limits::default(), request)?];
    let deployments = registry.deployments.lock();
    for running in deployments
        .values()
        .filter_map(|deployment| deployment.running.as_ref())
    {
        let limits = merged(&running.revision.limits, request)?;
        if !possible.contains(&limits) {
            possible.push(limits);
        }
    }
    Ok(possible)
}

/// What the active revision of this name runs with, but for what is asked for; where there
/// is none, nothing special.
fn configuration(
    registry: &Registry,
    name: Option<&str>,
    request: &PushRequest,
) -> Result<Configuration, Refused> {
    let inherited = name.and_then(|name| {
        let of = registry.with_running(name, |running| running.revision.clone());
        of.ok()
    });
    let base = inherited.as_ref().map(|active| active.limits.clone());
    let limits = merged(&base.unwrap_or_default(), request)?;
    let (settings, secret) = match (&request.settings, inherited) {
        (Some(given), _) => (given.clone(), Vec::new()),
        (None, Some(active)) => (active.settings.clone(), active.secrets()),
        (None, None) => (json!({}), Vec::new()),
    };
    Ok(Configuration {
        settings,
        limits,
        secret,
    })
}

impl Configuration {
    /// What is secret in the revision that the settings are taken over from, and would not be in
    /// this one: a sentence each.
    fn would_show(&self, described: &Described) -> Vec<String> {
        let shown = self
            .secret
            .iter()
            .filter(|place| self.settings.pointer(place).is_some() && !described.hides(place));
        let sentence = |place: &String| {
            let name = place.trim_start_matches('/').replace('/', ".");
            format!(
                "the setting {name} is secret in the revision that runs, and its settings-schema \
                 does not call it so: add \"secret\": true there, or give the settings anew with \
                 --settings"
            )
        };
        shown.map(sentence).collect()
    }
}

/// A component with two names could have itself given the settings of either's transform.
fn renamed(first: &Described, second: &Described) -> String {
    let name = |described: &Described| match described.name() {
        Some(name) => format!("\"{name}\""),
        None => "none that can be one".into(),
    };
    format!(
        "its name was {} and then, asked again within the limits that it would run with, {}: let \
         describe give the same answer each time, whatever the limits are",
        name(first),
        name(second)
    )
}

fn merged(base: &Limits, request: &PushRequest) -> Result<Limits, Refused> {
    let Some(given) = &request.limits else {
        return Ok(base.clone());
    };
    limits_from_json(base, given).map_err(|faults| Refused::Settings(faults.join("; ")))
}

/// The first of these, with the most that any of them gives a component to describe itself.
fn widest(possible: &[Limits]) -> Limits {
    let mut widest = possible.first().cloned().unwrap_or_default();
    for limits in possible {
        widest.deadline = widest.deadline.max(limits.deadline);
        widest.memory = widest.memory.max(limits.memory);
        widest.table_elements = widest.table_elements.max(limits.table_elements);
        widest.max_instances = widest.max_instances.max(limits.max_instances);
        widest.boundary = widest.boundary.max(limits.boundary);
        widest.max_component_size = widest.max_component_size.max(limits.max_component_size);
    }
    widest
}
