//! What each call costs: booked to the request that made it, and measured.

use std::sync::LazyLock;

use azure_core::http::Context;
use azure_data_cosmos::diagnostics::{CosmosOperationContext, DiagnosticsContext, DiagnosticsHandler};
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

use super::SERVICE;
use crate::ports::spent;

/// OpenTelemetry's name for it, in its buckets
/// (<https://opentelemetry.io/docs/specs/semconv/database/cosmosdb/>).
static REQUEST_CHARGE: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("pravis")
        .f64_histogram("azure.cosmosdb.client.operation.request_charge")
        .with_unit("{request_unit}")
        .with_description("Request units of calls to Cosmos DB, by operation and container.")
        .with_boundaries(vec![1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0])
        .build()
});

static THROTTLED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("pravis")
        .u64_counter("pravis.cosmos.throttled")
        .with_unit("{request}")
        .with_description("Requests that Cosmos DB answered with 429, by operation and container.")
        .build()
});

/// The client tells it of every operation and every page, also those that failed, with all retries and
/// hedges, on the task that made the call.
pub(super) struct Charges;

impl DiagnosticsHandler for Charges {
    fn handle(&self, diagnostics: &DiagnosticsContext, context: &Context<'_>) {
        let charge = diagnostics.total_request_charge().value();
        spent::request_units(SERVICE, charge);
        let operation = context.value::<CosmosOperationContext>();
        let label = |value: Option<&str>| value.unwrap_or("other").to_owned();
        let labels = [
            KeyValue::new("operation", label(operation.and_then(CosmosOperationContext::operation_name))),
            KeyValue::new("container", label(operation.and_then(CosmosOperationContext::container_name))),
        ];
        REQUEST_CHARGE.record(charge, &labels);
        let throttled = diagnostics.requests().iter().filter(|request| request.status().is_throttled()).count();
        if throttled > 0 {
            THROTTLED.add(throttled as u64, &labels);
        }
    }
}
