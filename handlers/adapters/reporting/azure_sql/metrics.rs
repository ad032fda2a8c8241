//! The use of connection pools, by OpenTelemetry's names
//! (<https://opentelemetry.io/docs/specs/semconv/database/database-metrics/>).

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use opentelemetry::{KeyValue, global};

struct Instruments {
    count: UpDownCounter<i64>,
    max: UpDownCounter<i64>,
    pending: UpDownCounter<i64>,
    timeouts: Counter<u64>,
    create_time: Histogram<f64>,
    wait_time: Histogram<f64>,
    use_time: Histogram<f64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| instruments(&global::meter("pravis")));

fn instruments(meter: &Meter) -> Instruments {
    let number =
        |name, unit, description| meter.i64_up_down_counter(name).with_unit(unit).with_description(description).build();
    let seconds = |name, description| meter.f64_histogram(name).with_unit("s").with_description(description).build();
    Instruments {
        count: number("db.client.connection.count", "{connection}", "Open connections, by pool and state."),
        max: number("db.client.connection.max", "{connection}", "The most connections that a pool may open."),
        pending: number("db.client.connection.pending_requests", "{request}", "Calls that wait for a connection."),
        timeouts: meter
            .u64_counter("db.client.connection.timeouts")
            .with_unit("{timeout}")
            .with_description("Calls that waited for a connection in vain.")
            .build(),
        create_time: seconds("db.client.connection.create_time", "Opening a connection."),
        wait_time: seconds("db.client.connection.wait_time", "Waiting for a free place in the pool."),
        use_time: seconds("db.client.connection.use_time", "From taking a connection to giving it back."),
    }
}

/// The figures of one pool.
#[derive(Clone, Copy)]
pub(super) struct PoolMetrics {
    pool: &'static str,
    instruments: &'static Instruments,
}

/// One more, for as long as it lives.
pub(super) struct Counted {
    counter: &'static UpDownCounter<i64>,
    labels: Vec<KeyValue>,
    by: i64,
}

impl Counted {
    fn new(counter: &'static UpDownCounter<i64>, labels: Vec<KeyValue>, by: i64) -> Self {
        counter.add(by, &labels);
        Self { counter, labels, by }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counter.add(-self.by, &self.labels);
    }
}

impl PoolMetrics {
    pub(super) fn new(pool: &'static str) -> Self {
        Self { pool, instruments: &INSTRUMENTS }
    }

    fn label(self) -> KeyValue {
        KeyValue::new("db.client.connection.pool.name", self.pool)
    }

    /// A connection in `state`: `idle` or `used`.
    pub(super) fn connection(self, state: &'static str) -> Counted {
        let labels = vec![self.label(), KeyValue::new("db.client.connection.state", state)];
        Counted::new(&self.instruments.count, labels, 1)
    }

    /// The pool itself.
    pub(super) fn max(self, connections: u32) -> Counted {
        Counted::new(&self.instruments.max, vec![self.label()], i64::from(connections))
    }

    /// A call that waits.
    pub(super) fn pending(self) -> Counted {
        Counted::new(&self.instruments.pending, vec![self.label()], 1)
    }

    pub(super) fn timed_out(self) {
        self.instruments.timeouts.add(1, &[self.label()]);
    }

    pub(super) fn created(self, after: Duration) {
        self.instruments.create_time.record(after.as_secs_f64(), &[self.label()]);
    }

    pub(super) fn waited(self, time: Duration) {
        self.instruments.wait_time.record(time.as_secs_f64(), &[self.label()]);
    }

    pub(super) fn used(self, time: Duration) {
        self.instruments.use_time.record(time.as_secs_f64(), &[self.label()]);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::SdkMeterProvider;

    use super::*;

    #[test]
    fn a_pool_shows_what_is_open_and_who_waits() {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().unwrap();
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let instruments = Box::leak(Box::new(instruments(&provider.meter("test"))));
        let metrics = PoolMetrics { pool: "sql.read", instruments };
        let _max = metrics.max(10);
        let _idle = metrics.connection("idle");
        let _used = [metrics.connection("used"), metrics.connection("used")];
        drop((metrics.connection("used"), metrics.pending()));
        metrics.timed_out();
        metrics.waited(Duration::from_millis(5));
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let shown = |name: &str, state: &str, value: &str| {
            let line = |line: &&str| line.starts_with(name) && line.contains(state) && line.contains("sql.read");
            let line = text.lines().find(line).unwrap_or_else(|| panic!("no {name} in {text}"));
            assert!(line.ends_with(&format!(" {value}")), "{line}");
        };
        shown("db_client_connection_max", "", "10");
        shown("db_client_connection_count", "state=\"idle\"", "1");
        shown("db_client_connection_count", "state=\"used\"", "2");
        shown("db_client_connection_pending_requests", "", "0");
        shown("db_client_connection_timeouts", "", "1");
        shown("db_client_connection_wait_time_seconds_count", "", "1");
    }
}
