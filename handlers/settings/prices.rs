//! What stored data costs, for estimates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Get, SettingError};

/// `STORAGE_PRICES`: JSON of this shape; what it leaves out is as in the example prices. In paise for a GB (2^30
/// bytes) and month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StoragePrices {
    /// `INR`: amounts are in paise.
    pub currency: String,
    /// Where the prices are from and of when.
    pub source: String,
    pub hot_paise_per_gb: f64,
    pub cool_paise_per_gb: f64,
    pub cold_paise_per_gb: f64,
    pub archive_paise_per_gb: f64,
}

impl Default for StoragePrices {
    /// Examples for Central India, locally redundant, of May 2026, as published by a third party
    /// (<https://www.redkitecloud.com/docs/azure-storage/storage-pricing.html>); Azure's own list holds
    /// (<https://azure.microsoft.com/pricing/details/storage/blobs/>).
    fn default() -> Self {
        Self {
            currency: "INR".into(),
            source: "example prices, Central India, locally redundant, May 2026".into(),
            hot_paise_per_gb: 160.0,
            cool_paise_per_gb: 90.0,
            cold_paise_per_gb: 36.0,
            archive_paise_per_gb: 17.0,
        }
    }
}

pub(super) fn storage_prices(get: Get<'_>) -> Result<StoragePrices, SettingError> {
    let Some(text) = get("STORAGE_PRICES") else { return Ok(StoragePrices::default()) };
    let wrong = |problem: String| SettingError::new("STORAGE_PRICES", problem);
    // The error of the parser could show the value; its place is enough.
    let prices: StoragePrices = serde_json::from_str(text).map_err(|error| {
        wrong(format!(
            "expected JSON such as {{\"hotPaisePerGb\": 160, \"source\": \"…\"}}; wrong at line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    let all =
        [prices.hot_paise_per_gb, prices.cool_paise_per_gb, prices.cold_paise_per_gb, prices.archive_paise_per_gb];
    if prices.currency != "INR" {
        return Err(wrong("expected the currency INR".into()));
    }
    if prices.source.chars().count() > 200 || !all.iter().all(|price| (0.0..=1_000_000.0).contains(price)) {
        return Err(wrong("expected prices of 0 to 1000000 paise, and a source of at most 200 characters".into()));
    }
    Ok(prices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StoragePrices, SettingError> {
        storage_prices(&|name| (name == "STORAGE_PRICES").then_some(text))
    }

    #[test]
    fn prices_are_read_and_bad_ones_refused() {
        let prices = read(r#"{ "hotPaisePerGb": 200.5, "source": "contract" }"#).unwrap();
        assert_eq!((prices.hot_paise_per_gb, prices.source.as_str()), (200.5, "contract"));
        assert_eq!(prices.cool_paise_per_gb, StoragePrices::default().cool_paise_per_gb);
        for bad in [
            "",
            "5",
            "{",
            r#"{"hotPaisePerGb":-1}"#,
            r#"{"hotPaisePerGb":1e9}"#,
            r#"{"currency":"USD"}"#,
            r#"{"hot":1}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
