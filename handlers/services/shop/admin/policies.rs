//! The shop's policies, which Ask Pravi answers from. The samples say that they are; what staff writes in their
//! place does not.

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::entries::{self, Kind};
use super::fields::{Fields, localised};
use crate::catalogue::Policy;
use crate::error::{Code, FieldError, Result};
use crate::function::{Access, Function};
use crate::http::conditional::with_etag;
use crate::http::{Request, Response, json, json_with, no_store};
use crate::identity::Permission;
use crate::services::shop::store::POLICY;
use crate::state::AppState;
use crate::types::{LocalisedText, Service};
use crate::understanding::PolicyTopic;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let access = Access::May(Permission::ManageCatalogue);
    let text = |english: &str| json!({ "en-IN": english, "hi-IN": "", "te-IN": "" });
    let form = || {
        json!({
            "notice": text(""), "title": text("Returns"), "summary": text("We take back what is unworn for ten days."),
            "body": text("Write to us within ten days of the delivery; we fetch the piece and pay within a week.")
        })
    };
    let example = || {
        let mut example = form();
        example["topic"] = json!("returns");
        example["sample"] = json!(false);
        example["answered"] = json!(true);
        example
    };
    vec![
        Function::http("ShopAdminPoliciesList", Service::Shop, Method::GET, "v1/admin/policies", list)
            .access(access)
            .summary("Lists the shop's policies; `sample` says which are not its own yet.")
            .answers::<StaffPolicies>(StatusCode::OK, "All policies by topic.", json!({ "items": [example()] }))
            .into(),
        Function::http("ShopAdminPoliciesPut", Service::Shop, Method::PUT, "v1/admin/policies/{id}", put)
            .access(access)
            .summary("Makes the policy of a topic, or replaces the version of it that `If-Match` names.")
            .takes::<PolicyForm>("application/json", form())
            .answers::<StaffPolicy>(StatusCode::OK, "The policy as it is now.", example())
            .answers::<StaffPolicy>(StatusCode::CREATED, "The new policy.", example())
            .fails(&[Code::PreconditionFailed, Code::PreconditionRequired, Code::Conflict])
            .into(),
        Function::http("ShopAdminPoliciesView", Service::Shop, Method::GET, "v1/admin/policies/{id}", view)
            .access(access)
            .summary("Shows the policy of a topic in all languages.")
            .answers::<StaffPolicy>(StatusCode::OK, "The policy; its `ETag` is needed to replace it.", example())
            .fails(&[Code::NotFound])
            .into(),
    ]
}

/// A policy as staff fills it in; English stands for a language that is left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PolicyForm {
    /// To be shown beside it; at most 300 characters.
    #[schema(required = false)]
    notice: LocalisedText,
    /// 2 to 100 characters.
    title: LocalisedText,
    /// What Ask Pravi says: a sentence or two, 2 to 400 characters.
    summary: LocalisedText,
    /// 2 to 3000 characters.
    body: LocalisedText,
}

#[derive(Serialize, ToSchema)]
struct StaffPolicy {
    topic: String,
    /// Whether it is content that came with the shop and is to be replaced.
    sample: bool,
    /// Whether Ask Pravi answers questions from it.
    answered: bool,
    #[serde(flatten)]
    form: PolicyForm,
}

#[derive(Serialize, ToSchema)]
struct StaffPolicies {
    items: Vec<StaffPolicy>,
}

impl StaffPolicy {
    fn of(policy: Policy) -> Self {
        let Policy { topic, sample, notice, title, summary, body } = policy;
        let answered = PolicyTopic::ALL.iter().any(|known| known.as_str() == topic);
        Self { topic, sample, answered, form: PolicyForm { notice, title, summary, body } }
    }
}

impl Kind for Policy {
    const PARTITION: &'static str = POLICY;
    const EVENT: &'static str = "policy.changed";
    const MOST: usize = 30;
    const MISSING: &'static str = "There is no policy of this topic.";

    fn read(topic: &str, form: Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let stored = [("topic", topic.into()), ("sample", false.into())].map(|(name, value)| (name.to_owned(), value));
        let mut fields = Fields::new(form, Map::from_iter(stored));
        let notice = fields.read("notice", None, localised(0, 300));
        let title = fields.read("title", None, localised(2, 100));
        let summary = fields.read("summary", None, localised(2, 400));
        let body = fields.read("body", None, localised(2, 3000));
        match (notice, title, summary, body, fields.finish(|_| None)) {
            (Some(notice), Some(title), Some(summary), Some(body), problems) if problems.is_empty() => {
                Ok(Self { topic: topic.to_owned(), sample: false, notice, title, summary, body })
            }
            (.., problems) => Err(problems),
        }
    }
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let items = entries::all::<Policy>(&state, &request).await?.into_iter().map(StaffPolicy::of).collect();
    Ok(no_store(json(&StaffPolicies { items })?))
}

async fn view(state: AppState, request: Request) -> Result<Response> {
    let (policy, etag) = entries::one::<Policy>(&state, &request).await?;
    Ok(no_store(with_etag(json(&StaffPolicy::of(policy))?, &etag)))
}

async fn put(state: AppState, request: Request) -> Result<Response> {
    let (is_new, policy, etag) = entries::put::<Policy>(&state, &request).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(no_store(with_etag(json_with(status, &StaffPolicy::of(policy))?, &etag)))
}
