//! The metrics of this process: OpenTelemetry instruments, read in Prometheus' text format.

use std::sync::LazyLock;
use std::time::Duration;

use http::{Method, StatusCode};
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, TextEncoder};

use crate::error::{Error, Result};

/// The media type of [`Metrics::text`].
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The boundaries that OpenTelemetry recommends for durations of requests, in seconds.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::install);

/// The metrics of this process, collected from the first call on.
pub fn metrics() -> &'static Metrics {
    &METRICS
}

/// What is counted and measured.
pub struct Metrics {
    registry: prometheus::Registry,
    requests: Histogram<f64>,
    invocations: Histogram<f64>,
    over_budget: Counter<u64>,
    cache_requests: Counter<u64>,
    cache_loads: Histogram<f64>,
    cache_size: Gauge<u64>,
    chat_helps: Counter<u64>,
    chat_tokens: Counter<u64>,
}

impl Metrics {
    /// Instruments of all modules come from the global provider, so it must be there before the first of
    /// them is made.
    fn install() -> Self {
        let registry = prometheus::Registry::new();
        match opentelemetry_prometheus::exporter().with_registry(registry.clone()).build() {
            Ok(reader) => global::set_meter_provider(SdkMeterProvider::builder().with_reader(reader).build()),
            Err(error) => tracing::error!(%error, "metrics are not collected"),
        }
        let meter = global::meter("pravis");
        let durations = |name: &'static str, description: &'static str| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_boundaries(SECONDS.to_vec())
                .with_description(description)
                .build()
        };
        Self {
            registry,
            requests: durations("http.server.request.duration", "Requests, by function, method and status."),
            invocations: durations("pravis.invocation.duration", "Invocations of triggers, by function and outcome."),
            over_budget: meter
                .u64_counter("pravis.request_units.over_budget")
                .with_description("Requests that cost more request units than their function may, by function.")
                .build(),
            cache_requests: meter
                .u64_counter("pravis.cache.requests")
                .with_unit("{request}")
                .with_description("Requests to caches, by cache and result: hit, miss, stale, bypass.")
                .build(),
            cache_loads: durations("pravis.cache.load.duration", "Reads of what was not cached, by cache and outcome."),
            cache_size: meter
                .u64_gauge("pravis.cache.size")
                .with_unit("By")
                .with_description("What caches hold in this process, by cache.")
                .build(),
            chat_helps: meter
                .u64_counter("pravis.chat.helps")
                .with_unit("{sentence}")
                .with_description(
                    "Sentences with which the language model was to help, by outcome: understood, confirm, nothing, throttled, failed.",
                )
                .build(),
            chat_tokens: meter
                .u64_counter("pravis.chat.tokens")
                .with_unit("{token}")
                .with_description("Tokens that the language model charged, by type: input, output.")
                .build(),
        }
    }

    /// Books an answered request; `function` is its name in the registry.
    pub fn request(&self, function: &'static str, method: &Method, status: StatusCode, elapsed: Duration) {
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
            _ => "_OTHER".to_owned(),
        };
        let labels = [
            KeyValue::new("faas.name", function),
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
        ];
        self.requests.record(elapsed.as_secs_f64(), &labels);
    }

    /// Books an invocation of another trigger.
    pub fn invocation(&self, function: &'static str, succeeded: bool, elapsed: Duration) {
        let outcome = if succeeded { "ok" } else { "failed" };
        let labels = [KeyValue::new("faas.name", function), KeyValue::new("outcome", outcome)];
        self.invocations.record(elapsed.as_secs_f64(), &labels);
    }

    /// Books a request that was dearer than it may be.
    pub fn over_budget(&self, function: &'static str) {
        self.over_budget.add(1, &[KeyValue::new("faas.name", function)]);
    }

    /// Books a request to a cache under the labels that [`CacheStatus`](crate::caching::CacheStatus) gives.
    pub fn cache_request(&self, labels: &[KeyValue]) {
        self.cache_requests.add(1, labels);
    }

    /// Books what a cache read because it did not hold it.
    pub fn cache_load(&self, cache: &'static str, succeeded: bool, elapsed: Duration) {
        let outcome = if succeeded { "ok" } else { "failed" };
        let labels = [KeyValue::new("pravis.cache.name", cache), KeyValue::new("outcome", outcome)];
        self.cache_loads.record(elapsed.as_secs_f64(), &labels);
    }

    /// Notes the bytes that a cache holds in this process.
    pub fn cache_size(&self, cache: &'static str, bytes: u64) {
        self.cache_size.record(bytes, &[KeyValue::new("pravis.cache.name", cache)]);
    }

    /// Books a sentence with which the language model was to help.
    pub fn chat_help(&self, outcome: &'static str) {
        self.chat_helps.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// Books what an answer of the language model was charged.
    pub fn chat_tokens(&self, input: u64, output: u64) {
        self.chat_tokens.add(input, &[KeyValue::new("gen_ai.token.type", "input")]);
        self.chat_tokens.add(output, &[KeyValue::new("gen_ai.token.type", "output")]);
    }

    /// All of it, in the text format of Prometheus.
    ///
    /// # Errors
    /// An internal error when it cannot be written down.
    pub fn text(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).map_err(Error::internal)?;
        Ok(text)
    }
}
