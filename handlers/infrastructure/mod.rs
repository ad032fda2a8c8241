//! What the infrastructure takes from the code, so that it is declared once: containers, queues, triggers,
//! routes. The files stand below `bicep/`, which loads them with `loadJsonContent`.

mod routes;

pub use routes::{RouteConflict, patterns};

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::containers::{BLOB_CONTAINERS, containers_json};
use crate::function::{Function, Trigger};
use crate::lifecycle::{self, KeptBy, RULES, Readers};
use crate::registry::{Registry, RegistryError};
use crate::types::Service;

/// Why the files cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum InfrastructureError {
    #[error("the table of functions breaks a rule")]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Routes(#[from] RouteConflict),
    #[error("the files below bicep/")]
    Io(#[from] io::Error),
}

/// Every file by its path below the root of the repository.
///
/// # Errors
/// Those of the table of functions, and routes that no gateway could part among services.
pub fn files() -> Result<Vec<(&'static str, String)>, InfrastructureError> {
    let registry = Registry::of(&Service::ALL)?;
    let text = |value: Value| format!("{value:#}\n");
    Ok(vec![
        (lifecycle::POLICY_FILE, lifecycle::policy_text()),
        ("bicep/modules/cosmos-containers.json", text(containers_json())),
        ("bicep/modules/storage-containers.json", text(storage(&registry))),
        ("bicep/modules/triggers.json", text(triggers(&registry))),
        ("bicep/modules/routes.json", text(routes(&registry)?)),
        ("bicep/kubernetes/functions.json", text(config_maps(&registry))),
    ])
}

/// The paths of the files below `root` that are missing or differ.
///
/// # Errors
/// Those of [`files`], and of reading.
pub fn different(root: &Path) -> Result<Vec<&'static str>, InfrastructureError> {
    let mut paths = Vec::new();
    for (path, wanted) in files()? {
        match std::fs::read_to_string(root.join(path)) {
            Ok(found) if found == wanted => {}
            Ok(_) => paths.push(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => paths.push(path),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(paths)
}

/// Writes all files below `root`.
///
/// # Errors
/// Those of [`files`], and of writing.
pub fn write(root: &Path) -> Result<(), InfrastructureError> {
    for (path, text) in files()? {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(root))?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// The functions with a trigger of one kind, told by `row`.
fn rows(registry: &Registry, row: impl Fn(&Function) -> Option<Value>) -> Vec<Value> {
    registry.functions().iter().filter_map(row).collect()
}

/// The blob containers, with who reads them, and the queues.
fn storage(registry: &Registry) -> Value {
    let edge = |name: &str| lifecycle::rule(name).is_some_and(|rule| rule.readers == Readers::Everybody);
    json!({
        "containers": BLOB_CONTAINERS.map(|name| json!({ "name": name, "edge": edge(name) })),
        "queues": rows(registry, |function| match &function.trigger {
            Trigger::Queue { queue, .. } => Some(json!(queue)),
            _ => None,
        }),
    })
}

/// What fires functions other than by HTTP.
fn triggers(registry: &Registry) -> Value {
    // What storage tells is of blobs that a sample refers to.
    let followed: Vec<&str> =
        RULES.iter().filter(|rule| rule.kept_by == KeptBy::Sample).map(|rule| rule.container).collect();
    let row = |function: &Function, key: &str, value: &str| {
        Some(json!({ "function": function.name, "service": function.service.name(), key: value }))
    };
    json!({
        "blobs": rows(registry, |function| match &function.trigger {
            Trigger::Blob { container, .. } => row(function, "container", container),
            _ => None,
        }),
        "changeFeeds": rows(registry, |function| match &function.trigger {
            Trigger::ChangeFeed { container, .. } => row(function, "container", container.name),
            _ => None,
        }),
        "queues": rows(registry, |function| match &function.trigger {
            Trigger::Queue { queue, .. } => row(function, "queue", queue),
            _ => None,
        }),
        "storageEvents": rows(registry, |function| match &function.trigger {
            Trigger::StorageEvents { .. } => Some(json!({
                "function": function.name, "service": function.service.name(), "containers": followed
            })),
            _ => None,
        }),
        "timers": rows(registry, |function| match &function.trigger {
            Trigger::Timer { schedule, .. } => row(function, "schedule", schedule),
            _ => None,
        }),
    })
}

/// The paths of each service, as Azure Front Door matches them.
fn routes(registry: &Registry) -> Result<Value, RouteConflict> {
    let http = registry.functions().iter().filter_map(|function| {
        let http = function.http_trigger()?;
        Some((http.route, function.service))
    });
    let by_service = patterns(http)?;
    Ok(by_service.into_iter().map(|(service, paths)| (service.name().to_owned(), json!(paths))).collect())
}

/// What runs where in Kubernetes: the pods of the API leave out what is not HTTP, and those of the jobs have
/// nothing else.
fn config_maps(registry: &Registry) -> Value {
    let jobs: Vec<&str> =
        registry.functions().iter().filter(|it| it.http_trigger().is_none()).map(|it| it.name).collect();
    let off: BTreeMap<String, &str> =
        jobs.iter().map(|name| (format!("AzureWebJobs.{name}.Disabled"), "true")).collect();
    let only: BTreeMap<String, &str> = jobs
        .iter()
        .enumerate()
        .map(|(index, name)| (format!("AzureFunctionsJobHost__functions__{index}"), *name))
        .collect();
    let map = |name: &str, data: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "pravis" }, "data": data });
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [map("pravis-api-functions", json!(off)), map("pravis-jobs-functions", json!(only))],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_infrastructure_follow_from_the_code() {
        let different = different(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(different.is_empty(), "{different:?}: write them with `handler infrastructure sync`");
    }

    #[test]
    fn what_is_missing_or_changed_is_told_and_written() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(different(root.path()).unwrap().len(), files().unwrap().len());
        write(root.path()).unwrap();
        assert!(different(root.path()).unwrap().is_empty());
        std::fs::write(root.path().join(lifecycle::POLICY_FILE), "{}").unwrap();
        assert_eq!(different(root.path()).unwrap(), [lifecycle::POLICY_FILE]);
    }
}
