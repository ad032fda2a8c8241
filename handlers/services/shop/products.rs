//! The catalogue's endpoints for shoppers.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::query::{ProductQuery, language, limit};
use super::{ProductView, enquiry, snapshot_and_status};
use crate::caching::{CacheStatus, Cached, Change, PerTenant, table};
use crate::catalogue::{Facets, Matches, Product, Snapshot};
use crate::error::{Code, Error, Result};
use crate::function::Function;
use crate::http::caching::{asking_for_hints, cacheable, tagged, wants_little, with_cache_status};
use crate::http::conditional::{content_etag, with_etag};
use crate::http::{Body, Request, Response, cursor_of};
use crate::ports::{Continuation, ETag};
use crate::state::AppState;
use crate::types::Service;
use crate::types::{Language, ProductId};

/// This resource's rows of the registry. `View` sorts after the literal routes it would cover.
pub fn functions() -> Vec<Function> {
    let list = || list_example(None, &[]);
    vec![
        Function::http("ShopProductsCategories", Service::Shop, Method::GET, "v1/products/categories", categories)
            .summary("Lists the shop's categories.")
            .query::<LanguageQuery>()
            .answers::<CategoryList>(
                StatusCode::OK,
                "All categories in the shop's order.",
                json!({ "categories": [{ "id": "sarees", "name": "Sarees", "group": "sarees", "count": 88 }] }),
            )
            .into(),
        Function::http("ShopProductsFeatured", Service::Shop, Method::GET, "v1/products/featured", featured)
            .summary("Lists products that the shop puts forward.")
            .query::<FewQuery>()
            .answers::<ProductList>(StatusCode::OK, "The featured products.", list())
            .into(),
        Function::http("ShopProductsList", Service::Shop, Method::GET, "v1/products", list_products)
            .summary("Lists products that fit the filters.")
            .query::<ProductQuery>()
            .answers::<ProductList>(StatusCode::OK, "A page of products.", list())
            .into(),
        Function::http("ShopProductsRelated", Service::Shop, Method::GET, "v1/products/{id}/related", related)
            .summary("Lists products that are like one.")
            .query::<FewQuery>()
            .answers::<ProductList>(StatusCode::OK, "The likest first.", list())
            .into(),
        Function::http("ShopProductsSearch", Service::Shop, Method::GET, "v1/products/search", search)
            .summary("Searches products by words, within the filters.")
            .query::<ProductQuery>()
            .answers::<ProductList>(
                StatusCode::OK,
                "A page of products, the best fit first.",
                list_example(Some("banarasi saree"), &["zanzibar"]),
            )
            .into(),
        Function::http("ShopProductsView", Service::Shop, Method::GET, "v1/products/{id}", view)
            .summary("Shows one product.")
            .query::<LanguageQuery>()
            .answers::<ProductView>(StatusCode::OK, "The product.", product_example())
            .into(),
    ]
}

fn list_example(did_you_mean: Option<&str>, ignored: &[&str]) -> Value {
    json!({
        "products": [product_example()], "total": 88, "page": 1, "next": "MTI", "facets": {
            "category": { "sarees": 88, "dupattas": 16 }, "fabric": { "pure silk": 40 }, "weave": { "banarasi": 12 },
            "color": { "gold": 31 }, "size": { "free size": 88 }, "occasion": { "wedding": 47 },
            "state": { "Uttar Pradesh": 20 }, "price": [
                { "minPrice": null, "maxPrice": 1999.99, "count": 3 },
                { "minPrice": 2000.0, "maxPrice": 4999.99, "count": 25 },
                { "minPrice": 5000.0, "maxPrice": 9999.99, "count": 30 },
                { "minPrice": 10000.0, "maxPrice": 20000.0, "count": 21 },
                { "minPrice": 20000.01, "maxPrice": null, "count": 9 }
            ], "inStock": 83
        },
        "didYouMean": did_you_mean, "ignored": ignored
    })
}

fn product_example() -> Value {
    json!({
        "id": "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S", "sku": "PB-SAR-001", "name": "Banarasi Silk Saree with Golden Thread",
        "description": "Handwoven in Varanasi with golden zari.", "price": 15999.0, "originalPrice": 19999.0,
        "pricePaise": 1_599_900, "originalPricePaise": 1_999_900, "currency": "INR", "category": "sarees",
        "subcategory": "banarasi", "fabric": "pure silk", "weave": "banarasi", "origin": "Varanasi, Uttar Pradesh",
        "colors": ["gold", "cream", "maroon"], "sizes": ["free size"], "occasions": ["wedding", "festive"],
        "careInstructions": ["dry clean only"], "rating": 4.8, "reviews": 124, "reviewCount": 124, "inStock": true,
        "stockCount": 12, "featured": true, "isNew": false, "onSale": true, "tags": ["banarasi", "zari"],
        "image": "https://api.pravis.example/api/v1/media/pravis/2c26b46b68ffc68ff99b453c1d3041340fc0a1b0d2e3f4a5-1280.webp",
        "images": ["https://api.pravis.example/api/v1/media/pravis/2c26b46b68ffc68ff99b453c1d3041340fc0a1b0d2e3f4a5-1280.webp"],
        "pictures": [picture_example()]
    })
}

/// A picture of a product, for descriptions of the API.
pub(super) fn picture_example() -> Value {
    json!({ "alt": "Gold Banarasi saree with a maroon border", "width": 1280, "height": 1707, "sources": [
        { "url": "https://api.pravis.example/api/v1/media/pravis/2c26b46b68ffc68ff99b453c1d3041340fc0a1b0d2e3f4a5-1280.webp", "width": 1280, "type": "image/webp" },
        { "url": "https://api.pravis.example/api/v1/media/pravis/fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04f-1280.jpg", "width": 1280, "type": "image/jpeg" }
    ] })
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LanguageQuery {
    /// The language of names and texts, `en-IN`, `hi-IN` or `te-IN`; else `Accept-Language` decides.
    pub(super) lang: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FewQuery {
    /// How many, 1 to 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// The language of names and texts.
    lang: Option<String>,
    /// Whether products come without descriptions and other long fields; else the client hints `Save-Data`
    /// and `ECT` decide.
    lean: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProductList {
    products: Vec<ProductView>,
    /// How many fit in all.
    total: usize,
    page: usize,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
    /// How many of all that fit have each value; each dimension's counts leave its own filter aside.
    facets: Facets,
    /// The words with misspelt ones corrected, where there are any; the list is what the corrected words find.
    did_you_mean: Option<String>,
    /// Words that nothing fits together with the others: the list is what the others find.
    ignored: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct CategoryList {
    categories: Vec<CategoryView>,
}

#[derive(Serialize, ToSchema)]
struct CategoryView {
    id: String,
    name: String,
    group: String,
    /// How many products it holds.
    count: usize,
}

async fn categories(state: AppState, request: Request) -> Result<Response> {
    let query: LanguageQuery = request.query()?;
    let form = Form::of_one(&request, query.lang.as_deref())?;
    let asked = Asked::of(&state, &request).await?;
    asked.answer(&state, &request, form, "categories", move |catalogue| category_list(catalogue, form.language)).await
}

fn category_list(catalogue: &Snapshot, language: Language) -> CategoryList {
    let mut counts = Facets::count(catalogue.products()).category;
    let categories = catalogue
        .categories
        .iter()
        .map(|category| CategoryView {
            id: category.id.clone(),
            name: category.name.get(language).to_owned(),
            group: category.group.clone(),
            count: counts.remove(&category.id).unwrap_or(0),
        })
        .collect();
    CategoryList { categories }
}

async fn featured(state: AppState, request: Request) -> Result<Response> {
    let query: FewQuery = request.query()?;
    let (limit, form) = (limit(query.limit, 6)?, Form::of_list(&request, query.lang.as_deref(), query.lean)?);
    let asked = Asked::of(&state, &request).await?;
    let what = ("featured", limit);
    asked
        .answer(&state, &request, form, what, move |catalogue| {
            let found: Vec<&Product> = catalogue.products().iter().filter(|product| product.featured).collect();
            list_of(&found, Facets::count(found.iter().copied()), 0, limit, form)
        })
        .await
}

async fn related(state: AppState, request: Request) -> Result<Response> {
    let query: FewQuery = request.query()?;
    let (limit, form) = (limit(query.limit, 4)?, Form::of_list(&request, query.lang.as_deref(), query.lean)?);
    let asked = Asked::of(&state, &request).await?;
    let id = asked.product(&request)?;
    let what = ("related", id.clone(), limit);
    asked
        .answer(&state, &request, form, what, move |catalogue| {
            let found = catalogue.get(&id).map(|product| catalogue.related(product, limit)).unwrap_or_default();
            list_of(&found, Facets::count(found.iter().copied()), 0, limit, form)
        })
        .await
}

async fn view(state: AppState, request: Request) -> Result<Response> {
    let query: LanguageQuery = request.query()?;
    let form = Form::of_one(&request, query.lang.as_deref())?;
    let asked = Asked::of(&state, &request).await?;
    let id = asked.product(&request)?;
    let what = ("view", id.clone());
    let settings = state.clone();
    asked
        .answer(&state, &request, form, what, move |catalogue| {
            let view = catalogue.get(&id).map(|product| ProductView::of(product, form.language));
            view.map(|view| {
                let enquiry_url = enquiry::about_product(&settings.settings, &view.name, view.price_paise);
                ProductView { enquiry_url, ..view }
            })
        })
        .await
}

async fn list_products(state: AppState, request: Request) -> Result<Response> {
    answer_list(state, request, false).await
}

async fn search(state: AppState, request: Request) -> Result<Response> {
    answer_list(state, request, true).await
}

async fn answer_list(state: AppState, request: Request, needs_words: bool) -> Result<Response> {
    let query: ProductQuery = request.query()?;
    let form = Form::of_list(&request, query.lang.as_deref(), query.lean)?;
    let limit = limit(query.limit, 12)?;
    let start = query.start(limit)?;
    let search = query.search(needs_words)?;
    let asked = Asked::of(&state, &request).await?;
    let what = ("list", search.clone(), start, limit);
    asked
        .answer(&state, &request, form, what, move |catalogue| page_of(catalogue.search(&search), start, limit, form))
        .await
}

/// The form in which products are shown.
#[derive(Clone, Copy, Debug)]
struct Form {
    language: Language,
    /// Without descriptions and other long fields.
    lean: bool,
    /// Whether the URL alone determines it.
    by_url: bool,
    list: bool,
}

impl Form {
    /// Of a single thing, which is always whole.
    fn of_one(request: &Request, lang: Option<&str>) -> Result<Self> {
        Ok(Self { language: language(request, lang)?, lean: false, by_url: lang.is_some(), list: false })
    }

    /// Of a list. A caller that hints gets less; to others a cache may show the whole.
    fn of_list(request: &Request, lang: Option<&str>, lean: Option<bool>) -> Result<Self> {
        let hinted = lean.is_none() && wants_little(request);
        let language = language(request, lang)?;
        Ok(Self { language, lean: lean.unwrap_or(hinted), by_url: lang.is_some() && !hinted, list: true })
    }
}

/// An answer as it is sent.
struct Rendered {
    body: Bytes,
    etag: ETag,
}

static ANSWERS: Cached<PerTenant, Rendered> = Cached::in_process(&table::PRODUCT_ANSWERS, |answer| answer.body.len());

/// The catalogue that is asked.
struct Asked {
    catalogue: Arc<Snapshot>,
    status: CacheStatus,
}

impl Asked {
    async fn of(state: &AppState, request: &Request) -> Result<Self> {
        let (catalogue, status) = snapshot_and_status(state, request.caller.tenant()).await?;
        Ok(Self { catalogue, status })
    }

    /// The product that the route names.
    fn product(&self, request: &Request) -> Result<ProductId> {
        let id: ProductId = request.param("id")?;
        self.catalogue.get(&id).map(|product| product.id.clone()).ok_or_else(no_product)
    }

    /// The answer to `what` in a form: as it was made before of the same version of the catalogue, or as
    /// `make` gives it.
    async fn answer<T: Serialize>(
        self,
        state: &AppState,
        request: &Request,
        form: Form,
        what: impl Debug,
        make: impl FnOnce(&Snapshot) -> T + Send + 'static,
    ) -> Result<Response> {
        let tenant = request.caller.tenant();
        let key = format!("{} {:?} {} {what:?}", self.catalogue.version(), form.language, form.lean);
        let catalogue = self.catalogue;
        let render = move || async move {
            let body = Bytes::from(serde_json::to_vec(&make(&catalogue)).map_err(Error::internal)?);
            Ok(Rendered { etag: content_etag(&body), body })
        };
        let (answer, status) = state.caches.get_or_load(&ANSWERS, tenant, &key, render).await?;
        let mut response = Response::new(Body::Full(answer.body.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = with_etag(response, &answer.etag);
        let response = with_cache_status(response, self.status.and(status));
        let response = tagged(response, &[Change::catalogue(tenant).tag()]);
        let vary =
            if form.list { "Accept-Language, Authorization, Save-Data, ECT" } else { "Accept-Language, Authorization" };
        let response = cacheable(response, request, form.by_url, vary);
        Ok(if form.list { asking_for_hints(response) } else { response })
    }
}

/// A page of what a search found.
fn page_of(found: Matches<'_>, start: usize, limit: usize, form: Form) -> ProductList {
    let Matches { products, facets, did_you_mean, ignored } = found;
    ProductList { did_you_mean, ignored, ..list_of(&products, facets, start, limit, form) }
}

fn list_of(products: &[&Product], facets: Facets, start: usize, limit: usize, form: Form) -> ProductList {
    let view = |product: &&Product| {
        let view = ProductView::of(product, form.language);
        if form.lean { view.lean() } else { view }
    };
    let end = start.saturating_add(limit).min(products.len());
    let page = products.get(start..end).unwrap_or_default();
    ProductList {
        products: page.iter().map(view).collect(),
        total: products.len(),
        page: (start / limit).saturating_add(1),
        next: (end < products.len()).then(|| cursor_of(Some(Continuation(end.to_string())))).flatten(),
        facets,
        did_you_mean: None,
        ignored: Vec::new(),
    }
}

pub(super) fn no_product() -> Error {
    Error::new(Code::NotFound, "There is no such product.")
}
