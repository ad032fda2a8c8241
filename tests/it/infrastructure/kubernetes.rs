//! The manifests for Kubernetes and the pipelines are whole: what they name is there, and what fires functions is
//! watched.

use std::collections::{BTreeMap, BTreeSet};

use pravis::function::Trigger;
use pravis::registry::Registry;
use pravis::types::Service;
use serde_json::Value;

use super::{Files, complains, content, files, with, yaml};

/// What is needed of an object of each kind, by JSON pointer, as its API has it.
const SHAPES: [(&str, &str, &[&str]); 8] = [
    ("v1", "Namespace", &[]),
    ("v1", "ServiceAccount", &["/metadata/annotations/azure.workload.identity~1client-id"]),
    ("v1", "ConfigMap", &["/data"]),
    ("v1", "Service", &["/spec/selector/app", "/spec/ports/0/port"]),
    ("apps/v1", "Deployment", &["/spec/selector/matchLabels/app", "/spec/template/spec/containers/0/image"]),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        &["/spec/minReplicas", "/spec/maxReplicas", "/spec/metrics/0/resource/target/averageUtilization"],
    ),
    ("policy/v1", "PodDisruptionBudget", &["/spec/minAvailable", "/spec/selector/matchLabels/app"]),
    ("keda.sh/v1alpha1", "ScaledObject", &["/spec/minReplicaCount", "/spec/maxReplicaCount", "/spec/triggers/0/type"]),
];

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// All objects of the manifests, with the file of each.
fn objects(files: &Files) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (path, content) in files.iter().filter(|(path, _)| path.starts_with("kubernetes/")) {
        if path.ends_with(".yaml") {
            found.extend(yaml(content).into_iter().map(|object| (path.clone(), object)));
        } else if path.ends_with(".json") {
            let list: Value = serde_json::from_str(content).unwrap();
            found.extend(list["items"].as_array().unwrap().iter().map(|object| (path.clone(), object.clone())));
        }
    }
    found
}

struct Manifests {
    by_kind: BTreeMap<String, BTreeMap<String, Value>>,
}

impl Manifests {
    fn of(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.by_kind.get(kind).into_iter().flatten()
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.by_kind.get(kind).is_some_and(|named| named.contains_key(name))
    }

    fn labelled(&self, app: &str) -> bool {
        self.of("Deployment").any(|(_, it)| text(it, "/spec/template/metadata/labels/app") == app)
    }
}

fn shapes(objects: &[(String, Value)], wrong: &mut Vec<String>) -> Manifests {
    let mut by_kind: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for (path, object) in objects {
        let (version, kind, name) =
            (text(object, "/apiVersion"), text(object, "/kind"), text(object, "/metadata/name"));
        let told = |problem: String| format!("{path}: {kind} {name}: {problem}");
        if name.is_empty() || kind != "Namespace" && text(object, "/metadata/namespace") != "pravis" {
            wrong.push(told("has no name or is in no namespace".into()));
        }
        match SHAPES.iter().find(|(_, known, _)| *known == kind) {
            Some((known, ..)) if *known != version => wrong.push(told(format!("is of {known}, not {version}"))),
            Some((_, _, needed)) => {
                let missing = needed.iter().filter(|pointer| object.pointer(pointer).is_none());
                wrong.extend(missing.map(|pointer| told(format!("lacks {pointer}"))));
            }
            None if kind == "TriggerAuthentication" => {}
            None => wrong.push(told("is of no kind that is known here".into())),
        }
        by_kind.entry(kind.to_owned()).or_default().insert(name.to_owned(), object.clone());
    }
    Manifests { by_kind }
}

/// Whether what objects name is there.
fn references(manifests: &Manifests, wrong: &mut Vec<String>) {
    for (name, deployment) in manifests.of("Deployment") {
        let told = |problem: String| format!("Deployment {name}: {problem}");
        if text(deployment, "/spec/selector/matchLabels/app") != text(deployment, "/spec/template/metadata/labels/app")
        {
            wrong.push(told("its selector does not match its pods".into()));
        }
        if deployment.pointer("/spec/replicas").is_some() {
            wrong.push(told("states replicas, which its autoscaler does".into()));
        }
        let account = text(deployment, "/spec/template/spec/serviceAccountName");
        if !manifests.has("ServiceAccount", account) {
            wrong.push(told(format!("there is no service account {account}")));
        }
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let image = text(container, "/image");
        if image.ends_with(":latest") || !image.contains(':') {
            wrong.push(told(format!("the image {image} has no tag of its own")));
        }
        for pointer in
            ["/resources/requests/cpu", "/resources/requests/memory", "/resources/limits/memory", "/livenessProbe"]
        {
            if container.pointer(pointer).is_none() {
                wrong.push(told(format!("lacks {pointer}")));
            }
        }
        if container.pointer("/securityContext/allowPrivilegeEscalation") != Some(&Value::Bool(false)) {
            wrong.push(told("may gain privileges".into()));
        }
        for source in container["envFrom"].as_array().into_iter().flatten() {
            let map = text(source, "/configMapRef/name");
            if !manifests.has("ConfigMap", map) {
                wrong.push(told(format!("there is no config map {map}")));
            }
        }
        let registry = Registry::of(&Service::ALL).unwrap();
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let path = text(container, &format!("/{probe}/httpGet/path"));
            let route = path.strip_prefix("/api/").unwrap_or_default();
            let known = registry.functions().iter().filter_map(|it| it.http_trigger()).any(|it| it.route == route);
            if !path.is_empty() && path != "/" && !known {
                wrong.push(told(format!("{probe} asks {path}, which nothing answers")));
            }
        }
    }
    for (name, service) in manifests.of("Service") {
        if !manifests.labelled(text(service, "/spec/selector/app")) {
            wrong.push(format!("Service {name}: no pods"));
        }
    }
    for (name, budget) in manifests.of("PodDisruptionBudget") {
        if !manifests.labelled(text(budget, "/spec/selector/matchLabels/app")) {
            wrong.push(format!("PodDisruptionBudget {name}: no pods"));
        }
    }
    let mut scaled = BTreeSet::new();
    for kind in ["HorizontalPodAutoscaler", "ScaledObject"] {
        for (name, scaler) in manifests.of(kind) {
            let target = text(scaler, "/spec/scaleTargetRef/name");
            if !manifests.has("Deployment", target) {
                wrong.push(format!("{kind} {name}: there is no deployment {target}"));
            }
            if !scaled.insert(target.to_owned()) {
                wrong.push(format!("{target} is scaled by two"));
            }
        }
    }
    let idle = manifests.of("Deployment").filter(|(name, _)| !scaled.contains(*name));
    wrong.extend(idle.map(|(name, _)| format!("nothing scales {name}")));
}

/// Whether all that fires functions is watched by KEDA, and nothing else.
fn triggers(manifests: &Manifests, wrong: &mut Vec<String>) {
    let registry = Registry::of(&Service::ALL).unwrap();
    let mut wanted = BTreeSet::new();
    let mut feeds = BTreeSet::new();
    for function in registry.functions() {
        match &function.trigger {
            Trigger::Queue { queue, .. } => {
                wanted.insert(format!("queue {queue}"));
            }
            Trigger::Blob { container, .. } => {
                wanted.insert(format!("blobs {container}"));
            }
            Trigger::ChangeFeed { container, .. } => {
                feeds.insert(format!("{} of {}", function.name, container.name));
            }
            Trigger::Http(_) | Trigger::Timer { .. } | Trigger::StorageEvents { .. } => {}
        }
    }
    let mut found = BTreeSet::new();
    for (name, object) in manifests.of("ScaledObject") {
        for trigger in object["spec"]["triggers"].as_array().into_iter().flatten() {
            let told = |pointer: &str| text(trigger, pointer).to_owned();
            let key = text(trigger, "/authenticationRef/name");
            match text(trigger, "/type") {
                "azure-queue" => {
                    found.insert(format!("queue {}", told("/metadata/queueName")));
                }
                "azure-blob" => {
                    found.insert(format!("blobs {}", told("/metadata/blobContainerName")));
                }
                "external" => {
                    let feed = format!("{} of {}", told("/metadata/processorName"), told("/metadata/containerId"));
                    if !feeds.contains(&feed) {
                        wrong.push(format!("{name} watches the change feed {feed}, which nothing follows"));
                    }
                    continue;
                }
                "cron" => continue,
                other => wrong.push(format!("{name}: {other} is no scaler that is known here")),
            }
            if !manifests.has("TriggerAuthentication", key) {
                wrong.push(format!("{name}: there is no authentication {key}"));
            }
        }
    }
    wrong.extend(wanted.difference(&found).map(|it| format!("jobs.yaml: no scaler watches {it}")));
    wrong.extend(found.difference(&wanted).map(|it| format!("jobs.yaml: {it} fires nothing")));
}

fn complaints(files: &Files) -> Vec<String> {
    let mut wrong = Vec::new();
    let manifests = shapes(&objects(files), &mut wrong);
    references(&manifests, &mut wrong);
    triggers(&manifests, &mut wrong);
    wrong
}

#[test]
fn the_manifests_are_whole() {
    content(complaints(&files()));
}

#[test]
fn a_manifest_that_is_not_whole_is_told() {
    let api = |old: &str, new: &str| complaints(&with("kubernetes/api.yaml", old, new));
    let jobs = |old: &str, new: &str| complaints(&with("kubernetes/jobs.yaml", old, new));
    complains(&api("apiVersion: autoscaling/v2", "apiVersion: autoscaling/v1"), "is of autoscaling/v2");
    complains(&api("  minReplicas: 2\n", ""), "lacks /spec/minReplicas");
    complains(&api("name: pravis-api-functions", "name: pravis-functions"), "no config map pravis-functions");
    complains(&api("path: /api/v1/health/ready", "path: /api/v1/ready"), "readinessProbe asks /api/v1/ready");
    complains(&api("pravis-api:0.1.0", "pravis-api:latest"), "has no tag of its own");
    complains(&api("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"), "may gain privileges");
    complains(&api("    name: pravis-api\n  minReplicas", "    name: pravis-jobs\n  minReplicas"), "scaled by two");
    complains(
        &jobs("blobContainerName: account-jobs", "blobContainerName: accounts"),
        "no scaler watches blobs account-jobs",
    );
    complains(&jobs("queueName: domain-events", "queueName: events"), "queue events fires nothing");
    complains(&jobs("processorName: AnalyticsOutboxRelay", "processorName: Relay"), "Relay of customers");
}

/// What pipelines name and is not there, and steps that nobody names.
fn pipeline_complaints(files: &Files) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut named = BTreeSet::new();
    let steps: BTreeSet<&str> =
        files.keys().filter_map(|path| path.strip_prefix("pipeline/steps/")).filter(|it| it.ends_with(".sh")).collect();
    for (path, content) in files.iter().filter(|(path, _)| path.starts_with("pipeline/")) {
        let step = |word: &str| word.rsplit('/').next().unwrap_or_default().trim_matches(['"', '\'']).to_owned();
        let words = content.split_whitespace().filter(|word| word.contains("steps/") || word.contains("$STEPS/"));
        named.extend(words.map(step).filter(|word| word.ends_with(".sh")));
        if path.ends_with(".yml") {
            let documents = yaml(content);
            let stages = documents[0]["stages"].as_array().cloned().unwrap_or_default();
            let names: BTreeSet<&str> = stages.iter().map(|stage| text(stage, "/stage")).collect();
            for stage in &stages {
                let before = text(stage, "/dependsOn");
                if !before.is_empty() && !names.contains(before) {
                    wrong.push(format!("{path}: there is no stage {before}"));
                }
                for job in stage["jobs"].as_array().into_iter().flatten() {
                    let template = text(job, "/template");
                    if !template.is_empty() && !files.contains_key(&format!("pipeline/{template}")) {
                        wrong.push(format!("{path}: there is no {template}"));
                    }
                    let environment = text(job, "/parameters/environment");
                    if !template.is_empty() && !files.contains_key(&format!("environments/{environment}.bicepparam")) {
                        wrong.push(format!("{path}: there is no environment {environment}"));
                    }
                }
            }
        }
    }
    wrong.extend(named.iter().filter(|it| !steps.contains(it.as_str())).map(|it| format!("there is no step {it}")));
    // Run by hand alone: docs/runbook.md.
    let by_hand = ["rollback.sh", "lib.sh"];
    let idle = steps.iter().filter(|it| !named.contains(**it) && !by_hand.contains(it));
    wrong.extend(idle.map(|it| format!("nothing runs the step {it}")));
    wrong
}

#[test]
fn the_pipelines_name_what_is_there() {
    content(pipeline_complaints(&files()));
    let broken = |old: &str, new: &str| pipeline_complaints(&with("pipeline/azure-pipelines.yml", old, new));
    complains(&broken("dependsOn: staging", "dependsOn: tests"), "no stage tests");
    complains(&broken("template: deliver.yml", "template: delivery.yml"), "no delivery.yml");
    complains(&broken("environment: staging", "environment: stage"), "no environment stage");
    complains(&broken("steps/test.sh", "steps/tests.sh"), "no step tests.sh");
    complains(&broken("steps/test.sh", "steps/scan.sh"), "nothing runs the step test.sh");
}
