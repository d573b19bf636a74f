//! `/v1/shadows`: a candidate beside the active revision. What of an event is not public is for
//! those who operate.

use axum::http::StatusCode;

use super::body::JsonObject;
use super::endpoint::{Call, NoQuery, Success};
use super::problem::Problem;
use super::tokens::TokenRole;
use crate::revision::compare::report::Comparison;
use crate::rollout::report::ShadowReport;
use crate::rollout::{self, ShadowRequest};

pub(super) async fn start(
    call: Call<NoQuery, JsonObject<ShadowRequest>>,
) -> Result<Success<ShadowReport>, Problem> {
    let JsonObject(request) = call.body;
    if request.events == Some(0) || request.seconds == Some(0) {
        let detail = "the body: `events` and `seconds` must be at least 1";
        return Err(Problem::bad_request(detail));
    }
    let registry = &call.admin.registry;
    let shadow = rollout::shadow(registry, call.holder.at(call.address), &call.of, request).await?;
    let location = format!("/v1/shadows/{}", shadow.id);
    Success::of(StatusCode::ACCEPTED, Some(location), shadow)
}

pub(super) async fn show(call: Call) -> Result<Success<ShadowReport>, Problem> {
    let mut shadow = rollout::find_shadow(&call.admin.registry, &call.of)?;
    if call.holder.role != TokenRole::Operate {
        without_inputs(&mut shadow.comparison);
    }
    Success::ok(shadow)
}

pub(super) async fn stop(call: Call) -> Result<Success<ShadowReport>, Problem> {
    let registry = &call.admin.registry;
    Success::ok(rollout::stop_shadow(registry, call.holder.at(call.address), &call.of).await?)
}

/// Takes out the examples that show the event: their values are in full too, also those that
/// nobody publishes. And the words with which a component refuses: they should hold no values,
/// but nobody has checked that.
pub(super) fn without_inputs(comparison: &mut Comparison) {
    for field in &mut comparison.fields {
        field.examples.retain(|example| example.input.is_none());
    }
    for rejected in &mut comparison.rejections {
        rejected.detail.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::compare::report::{Example, FieldDifference, Rejected};

    #[test]
    fn without_inputs_nothing_that_only_operators_may_see_is_left() {
        let example = Example {
            active: Some("1".into()),
            candidate: Some("internal".into()),
            input: Some("secret".into()),
        };
        let public = Example {
            active: Some("3".into()),
            candidate: Some("4".into()),
            input: None,
        };
        let field = FieldDifference {
            field: "open".into(),
            events: 2,
            examples: vec![example.clone(), public.clone(), example],
        };
        let rejected = Rejected {
            reason: "missing".into(),
            detail: "secret".into(),
            events: 2,
        };
        let mut comparison = Comparison {
            fields: vec![field],
            rejections: vec![rejected],
            ..Comparison::default()
        };
        without_inputs(&mut comparison);
        let text = serde_json::to_string(&comparison).unwrap();
        for hidden in ["secret", "internal"] {
            assert!(!text.contains(hidden), "{text}");
        }
        assert_eq!(comparison.fields[0].examples, [public]);
        assert_eq!(comparison.fields[0].events, 2);
        assert_eq!(comparison.rejections[0].events, 2);
    }
}
