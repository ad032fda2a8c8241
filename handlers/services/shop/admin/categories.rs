use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::entries::{self, Kind};
use super::fields::{Fields, localised, slug, whole};
use crate::catalogue::Category;
use crate::error::{Code, FieldError, Result};
use crate::function::{Access, Function};
use crate::http::conditional::with_etag;
use crate::http::{Request, Response, json, json_with, no_store};
use crate::identity::Permission;
use crate::services::shop::store::CATEGORY;
use crate::state::AppState;
use crate::types::{LocalisedText, Service};

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    let access = Access::May(Permission::ManageCatalogue);
    let form = || json!({ "name": { "en-IN": "Stoles", "hi-IN": "स्टोल", "te-IN": "" }, "group": "stoles-and-dupattas", "position": 5 });
    let example = || {
        let mut example = form();
        example["id"] = json!("stoles");
        example
    };
    vec![
        Function::http("ShopAdminCategoriesList", Service::Shop, Method::GET, "v1/admin/categories", list)
            .access(access)
            .summary("Lists the shop's categories in all languages.")
            .answers::<StaffCategories>(StatusCode::OK, "All categories by id.", json!({ "items": [example()] }))
            .into(),
        Function::http("ShopAdminCategoriesPut", Service::Shop, Method::PUT, "v1/admin/categories/{id}", put)
            .access(access)
            .summary("Makes a category, or replaces the version of it that `If-Match` names.")
            .takes::<CategoryForm>("application/json", form())
            .answers::<StaffCategory>(StatusCode::OK, "The category as it is now.", example())
            .answers::<StaffCategory>(StatusCode::CREATED, "The new category.", example())
            .fails(&[Code::PreconditionFailed, Code::PreconditionRequired, Code::Conflict])
            .into(),
        Function::http("ShopAdminCategoriesView", Service::Shop, Method::GET, "v1/admin/categories/{id}", view)
            .access(access)
            .summary("Shows a category in all languages.")
            .answers::<StaffCategory>(StatusCode::OK, "The category; its `ETag` is needed to replace it.", example())
            .fails(&[Code::NotFound])
            .into(),
    ]
}

/// A category as staff fills it in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CategoryForm {
    /// 2 to 60 characters in each language.
    name: LocalisedText,
    /// The menu's group that it stands in, as a name in addresses.
    group: String,
    /// Its place in the menu, from the first.
    #[schema(minimum = 1, maximum = 1000)]
    position: u32,
}

#[derive(Serialize, ToSchema)]
struct StaffCategory {
    id: String,
    #[serde(flatten)]
    form: CategoryForm,
}

#[derive(Serialize, ToSchema)]
struct StaffCategories {
    items: Vec<StaffCategory>,
}

impl StaffCategory {
    fn of(category: Category) -> Self {
        let Category { id, name, group, position } = category;
        Self { id, form: CategoryForm { name, group, position } }
    }
}

impl Kind for Category {
    const PARTITION: &'static str = CATEGORY;
    const EVENT: &'static str = "category.changed";
    const MOST: usize = 100;
    const MISSING: &'static str = "There is no such category.";

    fn read(id: &str, form: Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(form, Map::from_iter([("id".to_owned(), id.into())]));
        let name = fields.read("name", None, localised(2, 60));
        let group = fields.read("group", None, slug);
        let position = fields.read("position", None, whole(1, 1000)).and_then(|position| u32::try_from(position).ok());
        match (name, group, position, fields.finish(|_| None)) {
            (Some(name), Some(group), Some(position), problems) if problems.is_empty() => {
                Ok(Self { id: id.to_owned(), name, group, position })
            }
            (.., problems) => Err(problems),
        }
    }
}

async fn list(state: AppState, request: Request) -> Result<Response> {
    let items = entries::all::<Category>(&state, &request).await?.into_iter().map(StaffCategory::of).collect();
    Ok(no_store(json(&StaffCategories { items })?))
}

async fn view(state: AppState, request: Request) -> Result<Response> {
    let (category, etag) = entries::one::<Category>(&state, &request).await?;
    Ok(no_store(with_etag(json(&StaffCategory::of(category))?, &etag)))
}

async fn put(state: AppState, request: Request) -> Result<Response> {
    let (is_new, category, etag) = entries::put::<Category>(&state, &request).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(no_store(with_etag(json_with(status, &StaffCategory::of(category))?, &etag)))
}
