//! The table of capacity and cost follows from the budgets, rules and prices of the code.

use pravis::lifecycle;
use pravis::registry::Registry;
use pravis::settings::StoragePrices;
use pravis::tiers::TierTable;
use pravis::types::Service;
use serde_json::{Map, Value, json};

use super::{complains, content, read_json};

const SECONDS_A_MONTH: f64 = 30.0 * 86_400.0;
const BYTES_PER_GB: f64 = 1_073_741_824.0;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("expected a number, got {value}"))
}

/// A month of a GB that is written every day, by its age: paise for what `days` of retention hold at once.
fn paise_of_recordings(gb_a_month: f64, days: f64) -> f64 {
    let rule = lifecycle::rule("voice-uploads").unwrap();
    let prices = StoragePrices::default();
    let day = |days: Option<u32>| days.map_or(f64::INFINITY, f64::from);
    let bands = [
        (0.0, day(rule.cool_after), prices.hot_paise_per_gb),
        (day(rule.cool_after), day(rule.cold_after), prices.cool_paise_per_gb),
        (day(rule.cold_after), day(rule.archive_after), prices.cold_paise_per_gb),
        (day(rule.archive_after), f64::INFINITY, prices.archive_paise_per_gb),
    ];
    bands.iter().map(|(from, to, price)| (days.min(*to) - from).max(0.0) / 30.0 * gb_a_month * price).sum()
}

/// What a tier comes to.
fn results(table: &Value, tier: &Value) -> Value {
    let given = |name: &str| number(&table["assumptions"][name]["value"]);
    let price = |name: &str| number(&table["prices"][name]["value"]);
    let session = table["session"].as_array().unwrap();
    let calls: f64 = session.iter().map(|row| number(&row["calls"])).sum();
    let units: f64 = session.iter().map(|row| number(&row["calls"]) * number(&row["requestUnits"])).sum();
    let sessions = number(&tier["users"]) * number(&tier["sessions"]);
    let peak = |a_month: f64| a_month / SECONDS_A_MONTH * given("peakOverAverage");
    let peak_units = peak(sessions * units).ceil();
    let maximum = ((peak_units / 1000.0).ceil() * 1000.0).max(1000.0);
    let voice = number(&tier["users"]) * number(&tier["voiceSeconds"]) * given("bytesPerVoiceSecond");
    let gb_a_month = voice * given("consentShare") / BYTES_PER_GB;
    let days = number(&tier["retentionDays"]);
    let documents = number(&tier["users"]) * given("documentKBPerUser") / 1_048_576.0;
    // Autoscale bills a tenth of its maximum at least, which is what the average takes.
    let throughput = maximum / 10.0 / 100.0 * price("cosmosDollarsPer100RequestUnitsHour") * given("hoursPerMonth");
    let rupees = given("rupeesPerDollar");
    json!({
        "requests": sessions * calls,
        "requestUnits": sessions * units,
        "peakRequestUnitsPerSecond": peak_units,
        "autoscaleMaximum": maximum,
        "peakRequestsPerSecond": peak(sessions * calls),
        "instances": (peak(sessions * calls) / given("requestsPerSecondPerInstance")).ceil().max(1.0),
        "recordingsGB": gb_a_month * days / 30.0,
        "documentsGB": documents,
        "rupeesCosmos": (throughput + documents * price("cosmosDollarsPerGB")) * rupees,
        "rupeesRecordings": paise_of_recordings(gb_a_month, days) / 100.0,
        "rupeesFrontDoorRequests": sessions * calls / 10_000.0 * price("frontDoorDollarsPer10kRequests") * rupees,
    })
}

fn fixed(table: &Value) -> Value {
    let given = |name: &str| number(&table["assumptions"][name]["value"]);
    let price = |name: &str| number(&table["prices"][name]["value"]);
    let gigabytes = number(&table["fixed"]["alwaysReadyInstances"]) * number(&table["fixed"]["instanceGB"]);
    let seconds = given("hoursPerMonth") * 3600.0;
    json!({
        "rupeesFrontDoor": price("frontDoorDollarsBase") * given("rupeesPerDollar"),
        "rupeesAlwaysReady": gigabytes * seconds * price("flexDollarsPerGBSecondAlwaysReady") * given("rupeesPerDollar"),
    })
}

/// Where the results that stand in the table differ by more than their rounding.
fn differences(place: &str, found: &Value, expected: &Value) -> Vec<String> {
    let empty = Map::new();
    let (found, expected) = (found.as_object().unwrap_or(&empty), expected.as_object().unwrap_or(&empty));
    let mut wrong: Vec<String> = Vec::new();
    for (name, expected) in expected {
        let expected = number(expected);
        match found.get(name).map(number) {
            Some(found) if (found - expected).abs() <= 0.5_f64.max(expected.abs() * 0.001) => {}
            found => wrong.push(format!("capacity.json: {name} of {place} is {found:?} instead of {expected:.2}")),
        }
    }
    wrong.extend(found.keys().filter(|name| !expected.contains_key(*name)).map(|name| format!("{place}: {name}?")));
    wrong
}

fn complaints(table: &Value) -> Vec<String> {
    let registry = Registry::of(&Service::ALL).unwrap();
    let mut wrong = Vec::new();
    for row in table["session"].as_array().unwrap() {
        let name = row["function"].as_str().unwrap();
        let budget = registry.get(name).and_then(|function| function.http_trigger()?.request_units);
        if budget != row["requestUnits"].as_f64() {
            wrong.push(format!("capacity.json: {name} has a budget of {budget:?}, not {}", row["requestUnits"]));
        }
    }
    let tiers = TierTable::built_in();
    for tier in table["tiers"].as_array().unwrap() {
        let name = tier["tier"].as_str().unwrap();
        let kept = name.parse().ok().map(|id| tiers.tier(&id).retention_days);
        if kept.map(f64::from) != tier["retentionDays"].as_f64() {
            wrong.push(format!(
                "capacity.json: {name} keeps recordings for {kept:?} days, not {}",
                tier["retentionDays"]
            ));
        }
        wrong.extend(differences(name, &tier["results"], &results(table, tier)));
    }
    wrong.extend(differences("fixed", &table["fixed"]["results"], &fixed(table)));
    for (name, row) in table["assumptions"].as_object().unwrap() {
        if !["assumption", "source", "measured"].contains(&row["kind"].as_str().unwrap_or_default()) {
            wrong.push(format!("capacity.json: {name} says not whether it is an assumption"));
        }
    }
    for (name, row) in table["prices"].as_object().unwrap() {
        if row["source"].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("capacity.json: {name} has no source"));
        }
    }
    wrong
}

#[test]
fn capacity_and_cost_follow_from_the_code() {
    content(complaints(&read_json("bicep/capacity.json")));
}

#[test]
fn a_figure_that_does_not_follow_is_told() {
    let broken = |pointer: &str, value: Value| {
        let mut table = read_json("bicep/capacity.json");
        *table.pointer_mut(pointer).unwrap() = value;
        complaints(&table)
    };
    complains(&broken("/session/4/requestUnits", json!(1)), "has a budget of");
    complains(&broken("/tiers/0/results/rupeesCosmos", json!(1)), "rupeesCosmos of free");
    complains(&broken("/tiers/1/retentionDays", json!(30)), "premium keeps recordings for");
    complains(&broken("/prices/frontDoorDollarsBase/source", json!("")), "frontDoorDollarsBase has no source");
    complains(&broken("/assumptions/peakOverAverage/kind", json!("guess")), "peakOverAverage says not");
    complains(&broken("/assumptions/peakOverAverage/value", json!(20)), "peakRequestUnitsPerSecond of free");
}
