//! Answers for all functions that nothing is behind, each in the way that its own type has for
//! it: the error that says so, nothing, or a handle that does nothing. Where a type has no such
//! answer, the call ends in a trap that names the function.

use wasmtime::component::{LinkerInstance, Resource, ResourceAny, ResourceType, Type, Val};

use super::resources::{ANY, Hollow};
use super::{CallerContext, WasiDenial};
use crate::transform::fault::FaultKind;
use crate::transform::host_state::HostState;

/// The errors that say it, as the interfaces name them: of files, sockets, requests, their
/// headers, streams.
const ERRORS: [&str; 5] = [
    "not-permitted",
    "access-denied",
    "HTTP-request-denied",
    "forbidden",
    "closed",
];

pub(super) fn define(
    into: &mut LinkerInstance<'_, HostState>,
    interface: &'static str,
    name: &str,
) -> wasmtime::Result<()> {
    let called = name.to_owned();
    into.func_new(name, move |mut caller, ty, given, answers| {
        for value in given {
            give_back(value, &mut caller)?;
        }
        let answer = match ty.results().next() {
            Some(ty) => answer(&ty, &mut caller)?,
            None => None,
        };
        match (answer, answers) {
            (Some(answer), [place]) => {
                *place = answer;
                Ok(())
            }
            _ => Err(denied(interface, &called).into()),
        }
    })
}

fn denied(interface: &str, name: &str) -> WasiDenial {
    WasiDenial {
        kind: FaultKind::Trap,
        detail: format!(
            "it called {name} of wasi:{interface}, which a transform can import but not use"
        ),
    }
}

/// What a value of this type is that says no.
fn answer(ty: &Type, caller: &mut CallerContext<'_>) -> wasmtime::Result<Option<Val>> {
    Ok(match ty {
        Type::Result(result) => match result.err() {
            None => Some(Val::Result(Err(None))),
            Some(error) => failure(&error).map(|error| Val::Result(Err(Some(Box::new(error))))),
        },
        Type::Option(_) => Some(Val::Option(None)),
        Type::List(_) => Some(Val::List(Vec::new())),
        Type::Own(ty) if *ty == ResourceType::host::<Hollow>() => {
            let hollow = Resource::<Hollow>::new_own(ANY);
            Some(Val::Resource(ResourceAny::try_from_resource(
                hollow, caller,
            )?))
        }
        _ => None,
    })
}

/// The error of this type that says it.
fn failure(ty: &Type) -> Option<Val> {
    let said = |name: &&str| ERRORS.contains(name);
    match ty {
        Type::Enum(cases) => {
            let mut names = cases.names();
            names.find(said).map(|name| Val::Enum(name.to_owned()))
        }
        Type::Variant(variant) => {
            let mut plain = variant.cases().filter(|case| case.ty.is_none());
            let case = plain.find(|case| said(&case.name))?;
            Some(Val::Variant(case.name.to_owned(), None))
        }
        _ => None,
    }
}

/// Handles that came with a call are the host's to drop.
fn give_back(value: &Val, caller: &mut CallerContext<'_>) -> wasmtime::Result<()> {
    let mut within = |value: Option<&Val>| match value {
        Some(value) => give_back(value, caller),
        None => Ok(()),
    };
    match value {
        Val::Resource(resource) => resource.resource_drop(caller),
        Val::List(values) | Val::Tuple(values) => values.iter().map(Some).try_for_each(within),
        Val::Record(fields) => fields.iter().try_for_each(|(_, value)| within(Some(value))),
        Val::Variant(_, value) | Val::Option(value) => within(value.as_deref()),
        Val::Result(Ok(value) | Err(value)) => within(value.as_deref()),
        _ => Ok(()),
    }
}
