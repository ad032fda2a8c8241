//! What a client asks of a list of products, in the query of a URL.

use http::header::ACCEPT_LANGUAGE;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::catalogue::{ProductFilter, Search, Wording};
use crate::error::{Error, Result};
use crate::http::{Request, cursor_from};
use crate::types::{Language, Paise};
use crate::understanding::Sort;

const MAX_QUERY_CHARS: usize = 200;

/// Lists in it are parted by commas.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductQuery {
    /// Words to search for, in English, Hindi or Telugu, in their scripts or in Latin letters; slips are forgiven.
    q: Option<String>,
    category: Option<String>,
    fabric: Option<String>,
    weave: Option<String>,
    color: Option<String>,
    /// Colours that products must not have.
    not_color: Option<String>,
    size: Option<String>,
    occasion: Option<String>,
    /// Places or states.
    origin: Option<String>,
    /// Rupees, inclusive.
    min_price: Option<f64>,
    /// Rupees, inclusive.
    max_price: Option<f64>,
    in_stock: Option<bool>,
    /// `newest`, `price-low`, `price-high`, `popular`, `rating`; the best fit first by default.
    sort: Option<String>,
    /// Products a page, 1 to 100; 12 by default.
    #[param(minimum = 1, maximum = 100)]
    pub(super) limit: Option<usize>,
    /// The page, from 1; not together with `cursor`.
    #[param(minimum = 1)]
    page: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// The language of names and texts.
    pub(super) lang: Option<String>,
    /// Whether products come without descriptions and other long fields; else the client hints `Save-Data`
    /// and `ECT` decide.
    pub(super) lean: Option<bool>,
}

impl ProductQuery {
    /// The position of the page's first product.
    ///
    /// # Errors
    /// Names the parameter that cannot be used.
    pub(super) fn start(&self, limit: usize) -> Result<usize> {
        match (self.page, &self.cursor) {
            (Some(_), Some(_)) => Err(Error::field("cursor", "expected either page or cursor")),
            (Some(0), None) => Err(Error::field("page", "expected 1 or more")),
            (Some(page), None) => Ok((page - 1).saturating_mul(limit)),
            (None, Some(cursor)) => cursor_from(cursor)?
                .0
                .parse()
                .map_err(|_| Error::field("cursor", "expected the `next` of a page of this same list")),
            (None, None) => Ok(0),
        }
    }

    /// What is searched for; `needs_words` says whether there must be words.
    ///
    /// # Errors
    /// Names the parameter that cannot be used.
    pub(super) fn search(&self, needs_words: bool) -> Result<Search> {
        let text = self.q.as_deref().unwrap_or_default();
        if text.chars().count() > MAX_QUERY_CHARS {
            return Err(Error::field("q", format!("expected at most {MAX_QUERY_CHARS} characters")));
        }
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if needs_words && words.is_empty() {
            return Err(Error::field("q", "expected words to search for"));
        }
        let filter = ProductFilter {
            categories: values(&self.category),
            fabrics: values(&self.fabric),
            weaves: values(&self.weave),
            colors: values(&self.color),
            not_colors: values(&self.not_color),
            sizes: values(&self.size).into_iter().map(size).collect(),
            occasions: values(&self.occasion),
            origins: values(&self.origin),
            min_price: price("minPrice", self.min_price)?,
            max_price: price("maxPrice", self.max_price)?,
            in_stock: self.in_stock.unwrap_or(false),
        };
        let sort = self.sort.as_deref().map(sort).transpose()?;
        Ok(Search { filter, words, wording: Wording::Typed, sort })
    }
}

/// The values of a comma-separated list, in lower case as the catalogue keeps them.
fn values(list: &Option<String>) -> Vec<String> {
    let items = list.as_deref().unwrap_or_default().split(',');
    items.map(|item| item.trim().to_lowercase()).filter(|item| !item.is_empty() && item != "all").take(20).collect()
}

/// A size as the catalogue writes it: letters in upper case, `free size` in lower.
fn size(value: String) -> String {
    if value.contains(' ') { value } else { value.to_uppercase() }
}

fn price(field: &str, rupees: Option<f64>) -> Result<Option<Paise>> {
    match rupees {
        None => Ok(None),
        Some(rupees) if rupees.is_finite() && (0.0..=1e9).contains(&rupees) => {
            Ok(Some(Paise((rupees * 100.0).round() as u64)))
        }
        Some(_) => Err(Error::field(field, "expected rupees from 0 to 1000000000")),
    }
}

fn sort(name: &str) -> Result<Sort> {
    serde_json::from_value(json!(name))
        .map_err(|_| Error::field("sort", "expected newest, price-low, price-high, popular or rating"))
}

/// How many products are asked for.
pub(super) fn limit(limit: Option<usize>, default: usize) -> Result<usize> {
    match limit.unwrap_or(default) {
        limit @ 1..=100 => Ok(limit),
        _ => Err(Error::field("limit", "expected 1 to 100")),
    }
}

/// The language that the caller asks for, by parameter or header; English where none of ours is.
pub(super) fn language(request: &Request, parameter: Option<&str>) -> Result<Language> {
    if let Some(tag) = parameter {
        return tag.parse().map_err(|problem: String| Error::field("lang", problem));
    }
    Ok(request.header(ACCEPT_LANGUAGE.as_str()).and_then(preferred).unwrap_or_default())
}

/// The language of ours that weighs most in an `Accept-Language` header, the first of equals (RFC 9110
/// §12.5.4).
fn preferred(accepted: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for range in accepted.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Ok(language) = parts.next().unwrap_or_default().parse() else { continue };
        let weight = match parts.find_map(|parameter| parameter.strip_prefix("q=")) {
            Some(weight) => weight.parse().unwrap_or(0.0),
            None => 1.0,
        };
        if weight > best.map_or(0.0, |(weight, _)| weight) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}
