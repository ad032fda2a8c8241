//! `functions/<Name>/function.json` and `host.json`, written from the table.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Registry;
use crate::function::{Function, HttpTrigger, Trigger};

/// The function that takes what no other route matches, so that even a 404 is a problem document. The
/// host sorts by name and takes the first match, hence the Z.
pub const FALLBACK: &str = "ZzUnmatched";

/// How a file differs from what the table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileProblem {
    Missing(PathBuf),
    Different(PathBuf),
    /// There is no such function, or the file is not one that a function's folder may hold: the host takes
    /// a lone one for the function's script.
    Stray(PathBuf),
}

/// The content of `host.json`, with the arguments that the handler is started with. Proxying is for hosts
/// that know it; older ones forward.
pub fn host_json(arguments: &[String]) -> Value {
    json!({
        "version": "2.0",
        "functionTimeout": "00:05:00",
        "telemetryMode": "OpenTelemetry",
        "extensionBundle": { "id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)" },
        "logging": { "logLevel": { "default": "Information", "Host.Function.Console": "Information" } },
        "extensions": {
            "http": { "routePrefix": "api" },
            "blobs": { "maxDegreeOfParallelism": 4, "poisonBlobThreshold": 5 },
            "queues": {
                "batchSize": 16, "maxDequeueCount": 5, "maxPollingInterval": "00:00:02",
                "visibilityTimeout": "00:00:10", "messageEncoding": "base64"
            }
        },
        "customHandler": {
            "description": { "defaultExecutablePath": "handler", "arguments": arguments },
            "enableProxyingHttpRequest": true,
            "enableForwardingHttpRequest": true
        }
    })
}

/// The content of a function's `function.json`.
pub fn function_json(function: &Function) -> Value {
    match &function.trigger {
        Trigger::Http(http) => http_json(http),
        Trigger::Blob { container, .. } => json!({ "bindings": [{
            "type": "blobTrigger", "direction": "in", "name": "blob", "path": format!("{container}/{{name}}"),
            "source": "EventGrid", "connection": "AzureWebJobsStorage"
        }]}),
        Trigger::Timer { schedule, .. } => json!({ "bindings": [{
            "type": "timerTrigger", "direction": "in", "name": "tick", "schedule": schedule
        }]}),
        Trigger::Queue { queue, .. } => json!({ "bindings": [{
            "type": "queueTrigger", "direction": "in", "name": "message", "queueName": queue,
            "connection": "AzureWebJobsStorage"
        }]}),
        Trigger::StorageEvents { .. } => json!({ "bindings": [{
            "type": "eventGridTrigger", "direction": "in", "name": "event"
        }]}),
        // Without a retry policy the lease advances over a failure and the changes are lost.
        Trigger::ChangeFeed { container, .. } => json!({
            "bindings": [{
                "type": "cosmosDBTrigger", "direction": "in", "name": "documents", "connection": "COSMOS",
                "databaseName": "%COSMOS_DATABASE%", "containerName": container.name,
                "leaseContainerName": "leases", "leaseContainerPrefix": function.name,
                "createLeaseContainerIfNotExists": true, "maxItemsPerInvocation": 100
            }],
            "retry": { "strategy": "exponentialBackoff", "maxRetryCount": -1, "minimumInterval": "00:00:01", "maximumInterval": "00:05:00" }
        }),
    }
}

fn http_json(http: &HttpTrigger) -> Value {
    let mut methods = vec![http.method.as_str().to_ascii_lowercase(), "options".to_owned()];
    if http.method == http::Method::GET {
        methods.insert(1, "head".to_owned());
    }
    http_binding(methods, http.route)
}

/// The content of the fallback's `function.json`.
pub fn fallback_json() -> Value {
    let every = ["get", "head", "post", "put", "patch", "delete", "options"].map(str::to_owned).to_vec();
    http_binding(every, "{*rest}")
}

fn http_binding(methods: Vec<String>, route: &str) -> Value {
    json!({ "bindings": [
        { "type": "httpTrigger", "direction": "in", "name": "req", "authLevel": "anonymous", "methods": methods, "route": route },
        { "type": "http", "direction": "out", "name": "res" }
    ]})
}

/// Every file that the table asks for, by its path below the root of the repository.
fn wanted(registry: &Registry) -> Vec<(PathBuf, Value)> {
    let mut files: Vec<(PathBuf, Value)> = registry
        .functions()
        .iter()
        .map(|function| (Path::new("functions").join(function.name).join("function.json"), function_json(function)))
        .collect();
    files.push((Path::new("functions").join(FALLBACK).join("function.json"), fallback_json()));
    files.push((PathBuf::from("host.json"), host_json(&[])));
    files
}

fn text(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes the files below `root`, and removes the folders of functions that are gone. Gives the
/// paths that changed.
pub fn sync(registry: &Registry, root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    for problem in check(registry, root)? {
        match problem {
            FileProblem::Stray(path) => {
                let stray = root.join(&path);
                if stray.is_dir() {
                    fs::remove_dir_all(stray)?
                } else {
                    fs::remove_file(stray)?
                }
                changed.push(path);
            }
            FileProblem::Missing(path) | FileProblem::Different(path) => changed.push(path),
        }
    }
    for (path, value) in wanted(registry) {
        if changed.contains(&path) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            fs::write(path, text(&value))?;
        }
    }
    Ok(changed)
}

/// How the files below `root` differ from what the table says.
pub fn check(registry: &Registry, root: &Path) -> io::Result<Vec<FileProblem>> {
    let wanted = wanted(registry);
    let mut problems = Vec::new();
    for (path, value) in &wanted {
        match fs::read_to_string(root.join(path)) {
            Ok(found) if found == text(value) => {}
            Ok(_) => problems.push(FileProblem::Different(path.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => problems.push(FileProblem::Missing(path.clone())),
            Err(error) => return Err(error),
        }
    }
    let known: BTreeSet<&Path> =
        wanted.iter().flat_map(|(path, _)| [Some(path.as_path()), path.parent()]).flatten().collect();
    let mut folders = vec![PathBuf::from("functions")];
    while let Some(folder) = folders.pop() {
        for path in children(root, &folder)? {
            if !known.contains(path.as_path()) {
                problems.push(FileProblem::Stray(path));
            } else if root.join(&path).is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(problems)
}

/// What a folder below `root` holds, by path below `root`; nothing when there is no such folder.
fn children(root: &Path, folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries.map(|entry| Ok(folder.join(entry?.file_name()))).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
