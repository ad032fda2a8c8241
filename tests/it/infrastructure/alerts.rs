//! Alerts and scaling rules keep to one file, slo.json, which says what was promised.

use serde_json::{Value, json};

use super::bicep::{Node, Template};
use super::{Files, complains, content, files, read, read_json, with, yaml};

fn template(files: &Files, path: &str) -> Template {
    Template::read(path, &files[path]).unwrap_or_else(|wrong| panic!("{wrong:#?}"))
}

/// The value of `threshold` of each criterion of a template, with the name of its resource.
fn thresholds(template: &Template) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for resource in &template.resources {
        for node in resource.body.walk() {
            if let Some(value) = node.property("threshold") {
                found.push((resource.symbol.clone(), value.text.clone()));
            }
        }
    }
    found
}

fn complaints(files: &Files) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |path: &str, symbol: &str, wanted: &str| {
        let found = thresholds(&template(files, path));
        if !found.contains(&(symbol.to_owned(), wanted.to_owned())) {
            wrong.push(format!("{path}: the threshold of {symbol} is not {wanted}: {found:?}"));
        }
    };
    expect("modules/alerts.bicep", "latency", "slo.alerts.latencyP95Ms");
    expect("modules/alerts.bicep", "errors", "slo.alerts.errorPercent");
    expect("modules/pressure-alerts.bicep", "processors", "slo.alerts.cpuPercent");
    expect("modules/pressure-alerts.bicep", "memoryPressure", "memory.threshold");
    let pressure = template(files, "modules/pressure-alerts.bicep");
    let memory = pressure.variables["memory"].text.matches("slo.alerts.memoryPercent").count();
    if memory != 2 {
        wrong.push("pressure-alerts.bicep: memory is not judged by slo.alerts.memoryPercent".to_owned());
    }
    let alerts = template(files, "modules/alerts.bicep");
    let burn =
        alerts.resources.iter().find(|it| it.symbol == "burn").map(|it| it.body.text.clone()).unwrap_or_default();
    for word in ["slo.objectivePercent", "rate.longMinutes", "rate.shortMinutes", "rate.factor", "rate.severity"] {
        if !burn.contains(word) {
            wrong.push(format!("alerts.bicep: burn rates do not look at {word}"));
        }
    }
    for (path, window) in
        [("modules/alerts.bicep", "'PT${slo.alerts.windowMinutes}M'"), ("modules/pressure-alerts.bicep", "window")]
    {
        for resource in &template(files, path).resources {
            let found = resource.body.property("properties").and_then(|it| it.property("windowSize"));
            if resource.symbol != "burn" && found.is_none_or(|found| found.text != window) {
                wrong.push(format!("{path}: {} does not look at the window of slo.json", resource.symbol));
            }
        }
    }
    // Plan and pods grow at the same load.
    let plan = template(files, "modules/plan.bicep");
    for word in ["scaling.cpuPercent", "scaling.scaleInCpuPercent"] {
        if !plan.variables["rules"].walk().iter().any(|node: &&Node| node.text == word) {
            wrong.push(format!("plan.bicep: no rule looks at {word}"));
        }
    }
    let slo: Value = serde_json::from_str(&files["slo.json"]).unwrap();
    let autoscaler = yaml(&files["kubernetes/api.yaml"]).into_iter().find(|it| it["kind"] == "HorizontalPodAutoscaler");
    let spec = autoscaler.map(|it| it["spec"].clone()).unwrap_or_default();
    let found = json!({
        "cpuPercent": spec["metrics"][0]["resource"]["target"]["averageUtilization"],
        "minimumInstances": spec["minReplicas"],
        "maximumInstances": spec["maxReplicas"],
    });
    for (name, value) in found.as_object().unwrap() {
        if slo["scaling"][name] != *value {
            wrong.push(format!("kubernetes/api.yaml: {name} is {value} instead of {}", slo["scaling"][name]));
        }
    }
    wrong
}

#[test]
fn alerts_and_scaling_keep_to_the_objectives() {
    content(complaints(&files()));
}

#[test]
fn an_alert_with_a_limit_of_its_own_is_told() {
    let own = with("modules/alerts.bicep", "threshold: slo.alerts.latencyP95Ms", "threshold: 900");
    complains(&complaints(&own), "latency is not slo.alerts.latencyP95Ms");
    let window = with("modules/alerts.bicep", "windowSize: 'PT${slo.alerts.windowMinutes}M'", "windowSize: 'PT1H'");
    complains(&complaints(&window), "latency does not look at the window");
    let burn = with("modules/alerts.bicep", "/ budget > ${rate.factor} and (1.0", "/ budget > 14 and (1.0");
    let burn = with_text(burn, "/ budget > ${rate.factor}'", "/ budget > 14'");
    complains(&complaints(&burn), "rate.factor");
    let pods = with("kubernetes/api.yaml", "averageUtilization: 70", "averageUtilization: 90");
    complains(&complaints(&pods), "cpuPercent is 90");
    let plan = with("modules/plan.bicep", "threshold: scaling.cpuPercent", "threshold: 95");
    complains(&complaints(&plan), "scaling.cpuPercent");
}

fn with_text(mut files: Files, old: &str, new: &str) -> Files {
    let text = files.get_mut("modules/alerts.bicep").unwrap();
    assert!(text.contains(old));
    *text = text.replace(old, new);
    files
}

#[test]
fn the_objectives_are_those_that_were_promised() {
    let slo = read_json("bicep/slo.json");
    assert_eq!(slo["objectivePercent"], json!(99.95));
    let alerts =
        json!({ "cpuPercent": 70, "memoryPercent": 80, "latencyP95Ms": 500, "errorPercent": 1, "windowMinutes": 5 });
    assert_eq!(slo["alerts"], alerts);
    assert_eq!(slo["scaling"]["cpuPercent"], 70);
    assert_eq!(slo["canary"]["percents"], json!([1, 10, 50, 100]));
    // The service takes these windows of log alerts, and a day at most evaluates quickly.
    let allowed = [5, 10, 15, 30, 45, 60, 120, 180, 240, 300, 360, 1440, 2880];
    for rate in slo["burnRates"].as_array().unwrap() {
        let (long, short) = (rate["longMinutes"].as_u64().unwrap(), rate["shortMinutes"].as_u64().unwrap());
        assert!(allowed.contains(&long) && long == 12 * short, "{rate}");
        // Such a burn uses up more than its share of the budget before the alert, and less than all of it.
        let window = slo["windowDays"].as_f64().unwrap() * 1440.0;
        let used = rate["factor"].as_f64().unwrap() * long as f64 / window;
        assert!((0.01..0.2).contains(&used), "{rate} uses up {used} of the budget");
    }
}

#[test]
fn every_alert_leads_into_the_runbook() {
    let runbook = read("docs/runbook.md").to_lowercase();
    let files = files();
    let mut anchors = 0;
    for path in ["modules/alerts.bicep", "modules/pressure-alerts.bicep"] {
        for resource in &template(&files, path).resources {
            let text = resource.body.property("properties").and_then(|it| it.property("description")?.literal());
            let text = text.unwrap_or_else(|| panic!("{} of {path} has no description", resource.symbol));
            let anchor = text.strip_prefix("docs/runbook.md#").expect("the place in the runbook").replace('-', " ");
            assert!(runbook.contains(&format!("\n### {anchor}\n")), "the runbook has no section {anchor}");
            anchors += 1;
        }
    }
    assert_eq!(anchors, 5);
}
