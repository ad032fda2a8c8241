//! How the client works: times, retries, hedging, regions.

use std::num::NonZeroU32;
use std::time::Duration;

use azure_data_cosmos::options::{
    AvailabilityStrategy, BinaryEncodingOptions, ConnectionPoolOptions, ContentResponseOnWrite,
    EndToEndOperationLatencyPolicy, HedgeThreshold, HedgingStrategy, MaxItemCountHint, OperationOptions,
    OperationOptionsBuilder, Region, ThrottlingRetryOptionsBuilder, UserAgentSuffix,
};
use azure_data_cosmos::{CosmosError, CosmosRuntime};

use crate::settings::SettingError;

/// For one call of the port with all its requests.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(4);
/// For one operation of the client with all its retries: the client's own error comes before the time limit.
const OPERATION_LIMIT: Duration = Duration::from_millis(3500);
/// For one request.
const REQUEST_LIMIT: Duration = Duration::from_secs(3);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// What a throttled operation may wait in all; then its caller is told to come back.
const THROTTLED_WAIT: Duration = Duration::from_secs(2);
const THROTTLED_RETRIES: u32 = 5;
/// Point reads take some 10 ms within a region; one that takes so long is asked of the next region too.
const HEDGE_AFTER: Duration = Duration::from_millis(500);
/// For a change of containers, which the service takes its time for.
pub(super) const MIGRATION_LIMIT: Duration = Duration::from_secs(60);

/// For operations on documents.
pub(super) fn operations() -> OperationOptions {
    let mut options = common(OPERATION_LIMIT).with_content_response_on_write(ContentResponseOnWrite::Enabled);
    if let Some(threshold) = HedgeThreshold::new(HEDGE_AFTER) {
        options = options.with_availability_strategy(AvailabilityStrategy::Hedging(HedgingStrategy::new(threshold)));
    }
    options.build()
}

/// For operations on containers.
pub(super) fn migrations() -> OperationOptions {
    common(MIGRATION_LIMIT).build()
}

fn common(limit: Duration) -> OperationOptionsBuilder {
    let throttling = ThrottlingRetryOptionsBuilder::new()
        .with_max_retry_count(THROTTLED_RETRIES)
        .with_max_retry_wait_time(THROTTLED_WAIT)
        .build();
    OperationOptionsBuilder::new()
        .with_end_to_end_latency_policy(EndToEndOperationLatencyPolicy::new(limit))
        .with_throttling_retry_options(throttling)
}

/// Bodies on the wire are text: they are kept as they stand, and binary ones would be read and written
/// once more.
pub(super) fn text() -> BinaryEncodingOptions {
    BinaryEncodingOptions::new().with_enabled(false)
}

/// Connections, what is known of containers, and work in the background.
pub(super) async fn runtime() -> Result<CosmosRuntime, CosmosError> {
    let pool = ConnectionPoolOptions::builder()
        .with_max_connect_timeout(CONNECT_LIMIT)
        .with_max_dataplane_request_timeout(REQUEST_LIMIT)
        .build()?;
    let mut builder = CosmosRuntime::builder().with_connection_pool(pool);
    if let Some(suffix) = UserAgentSuffix::try_new("pravis") {
        builder = builder.with_user_agent_suffix(suffix);
    }
    builder.build().await
}

/// The regions that `COSMOS_REGIONS` names, as Azure writes them ("Central India") or without spaces.
///
/// # Errors
/// A name that the client does not know: it would send every request to the account's first region.
pub(super) fn regions(names: &[String]) -> Result<Vec<Region>, SettingError> {
    let known = |name: &String| {
        let region = Region::new(name.clone());
        // What the client knows has a name to be shown.
        match region.display_name() == region.as_str() {
            true => Err(SettingError::new("COSMOS_REGIONS", "expected names of Azure regions, as in Central India")),
            false => Ok(region),
        }
    };
    names.iter().map(known).collect()
}

/// So many documents a page.
pub(super) fn page_of(documents: usize) -> MaxItemCountHint {
    let documents = u32::try_from(documents).ok().and_then(NonZeroU32::new);
    documents.map_or(MaxItemCountHint::ServerDecides, MaxItemCountHint::Limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_known_ones() {
        let names = |names: &[&str]| regions(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["Central India", "southindia"]).unwrap(), [Region::CENTRAL_INDIA, Region::SOUTH_INDIA]);
        assert_eq!(names(&[]).unwrap(), []);
        let error = names(&["Central India", "Atlantis"]).unwrap_err();
        assert_eq!(error.name, "COSMOS_REGIONS");
        assert!(!error.problem.contains("Atlantis"));
    }
}
