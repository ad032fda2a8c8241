//! What the host reads before it starts anything: `host.json` and the `function.json` of each direct
//! child folder. What the real host would refuse, or would silently treat in another way than the
//! product counts on, is refused here.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::routing::Template;

/// App settings by name.
pub type AppSettings = BTreeMap<String, String>;

/// Why the host does not run a script root.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

fn refuse<T>(problem: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(problem.into()))
}

/// A script root that the host can run.
#[derive(Debug)]
pub struct ScriptRoot {
    pub directory: PathBuf,
    pub executable: PathBuf,
    pub arguments: Vec<String>,
    pub forwarding: bool,
    pub proxying: bool,
    pub initialization_timeout: Duration,
    /// Segments before every route; empty when there are none.
    pub route_prefix: String,
    pub poison_blob_threshold: u32,
    pub max_dequeue_count: u32,
    pub queue_batch: usize,
    /// Sorted by name, case-insensitively: the order in which routes are tried.
    pub functions: Vec<FunctionFile>,
}

/// One function of the script root.
#[derive(Clone, Debug)]
pub struct FunctionFile {
    pub name: String,
    /// What the trigger is called in `Data`.
    pub binding: String,
    pub trigger: TriggerFile,
    pub retry: Option<Retry>,
}

#[derive(Clone, Debug)]
pub enum TriggerFile {
    Http { methods: Vec<Method>, route: Template },
    Blob { container: String },
    Timer,
    Queue { queue: String },
    CosmosDb { container: String, max_items: usize },
    EventGrid,
}

/// A retry policy: `None` tries again for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub max_retries: Option<u32>,
}

impl ScriptRoot {
    /// Reads a script root as the host does when it starts.
    pub fn read(directory: &Path, settings: &AppSettings) -> Result<Self, Refusal> {
        let host = json(&directory.join("host.json"))?;
        if host["version"] != "2.0" {
            return refuse("host.json: version must be exactly 2.0");
        }
        let handler = &host["customHandler"];
        let description = &handler["description"];
        let Some(path) = description["defaultExecutablePath"].as_str() else {
            return refuse("host.json: customHandler.description.defaultExecutablePath is required");
        };
        let executable = directory.join(path);
        let mode = fs::metadata(&executable).map(|found| found.permissions().mode()).unwrap_or_default();
        if mode & 0o100 == 0 {
            return refuse(format!("{path} is missing or not executable"));
        }
        let route_prefix = host["extensions"]["http"]["routePrefix"].as_str().unwrap_or("api").to_owned();
        let mut functions = Vec::new();
        for entry in fs::read_dir(directory).map_err(|error| Refusal(error.to_string()))? {
            let folder = entry.map_err(|error| Refusal(error.to_string()))?.path();
            // Only direct children count; a folder without the file is no function.
            if folder.join("function.json").is_file() {
                functions.push(function(&folder, settings)?);
            }
        }
        if functions.is_empty() {
            return refuse("no functions found: the handler would not be started");
        }
        functions.sort_by_key(|function| function.name.to_ascii_lowercase());
        let queues = &host["extensions"]["queues"];
        let number = |value: &Value, default: u64| value.as_u64().unwrap_or(default);
        Ok(Self {
            directory: directory.to_owned(),
            executable,
            arguments: texts(&description["arguments"]),
            forwarding: handler["enableForwardingHttpRequest"] == true,
            proxying: handler["enableProxyingHttpRequest"] == true,
            initialization_timeout: time_span(&handler["initializationTimeout"])?.unwrap_or(Duration::from_secs(30)),
            route_prefix,
            poison_blob_threshold: number(&host["extensions"]["blobs"]["poisonBlobThreshold"], 5) as u32,
            max_dequeue_count: number(&queues["maxDequeueCount"], 5) as u32,
            queue_batch: number(&queues["batchSize"], 16).min(32) as usize,
            functions,
        })
    }

    pub fn function(&self, name: &str) -> Option<&FunctionFile> {
        self.functions.iter().find(|function| function.name == name)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryFile {
    max_retry_count: i64,
}

fn function(folder: &Path, settings: &AppSettings) -> Result<FunctionFile, Refusal> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let refuse = |problem: &str| Err(Refusal(format!("{name}: {problem}")));
    if !is_function_name(&name) {
        return refuse("not a name of a function");
    }
    if fs::read_dir(folder).map_err(|error| Refusal(error.to_string()))?.count() != 1 {
        return refuse("another file beside function.json is taken for a script");
    }
    let file = json(&folder.join("function.json"))?;
    let bindings = file["bindings"].as_array().cloned().unwrap_or_default();
    for binding in &bindings {
        if !binding["name"].as_str().is_some_and(is_binding_name) {
            return refuse("a binding's name is letters and digits, a letter first, or $return");
        }
    }
    let is_trigger = |binding: &&Value| binding["type"].as_str().is_some_and(|kind| kind.ends_with("Trigger"));
    let triggers: Vec<&Value> = bindings.iter().filter(is_trigger).collect();
    let [trigger] = triggers[..] else { return refuse("exactly one trigger is needed") };
    if trigger["direction"] != "in" {
        return refuse("a trigger's direction is in");
    }
    let retry = match &file["retry"] {
        Value::Null => None,
        policy => {
            let policy: RetryFile = serde_json::from_value(policy.clone()).map_err(|e| Refusal(e.to_string()))?;
            Some(Retry { max_retries: u32::try_from(policy.max_retry_count).ok() })
        }
    };
    let kind = match trigger_file(&name, trigger, &bindings, settings) {
        Ok(kind) => kind,
        Err(Refusal(problem)) => return refuse(&problem),
    };
    let binding = trigger["name"].as_str().unwrap_or_default().to_owned();
    Ok(FunctionFile { name, binding, trigger: kind, retry })
}

fn trigger_file(
    name: &str,
    trigger: &Value,
    bindings: &[Value],
    settings: &AppSettings,
) -> Result<TriggerFile, Refusal> {
    let text = |field: &str| match trigger[field].as_str() {
        Some(text) if !text.is_empty() => resolved(text, settings),
        _ => refuse(format!("{field} is required")),
    };
    if trigger["type"] != "httpTrigger" && bindings.len() != 1 {
        return refuse("further bindings are not simulated");
    }
    match trigger["type"].as_str().unwrap_or_default() {
        "httpTrigger" => {
            let outputs = bindings.iter().filter(|b| b["direction"] == "out" && b["type"] == "http").count();
            if bindings.len() != 2 || outputs != 1 {
                return refuse("not one httpTrigger and one http output: requests would come as JSON payloads");
            }
            let route = trigger["route"].as_str().filter(|route| !route.is_empty()).unwrap_or(name);
            if route.starts_with("admin") || route.starts_with("runtime") {
                return refuse("the route is reserved by the host");
            }
            let methods = texts(&trigger["methods"]);
            let methods = methods.iter().map(|name| name.to_uppercase().parse()).collect::<Result<_, _>>();
            let methods = methods.map_err(|_| Refusal("a method is malformed".into()))?;
            Ok(TriggerFile::Http { methods, route: Template::parse(route)? })
        }
        "blobTrigger" => {
            connection(trigger, settings)?;
            match text("path")?.split_once('/') {
                Some((container, "{name}")) => Ok(TriggerFile::Blob { container: container.to_owned() }),
                _ => refuse("only paths like container/{name} are simulated"),
            }
        }
        "timerTrigger" => {
            let schedule = text("schedule")?;
            let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Required).build();
            parser.parse(&schedule).map_err(|error| Refusal(format!("schedule {schedule}: {error}")))?;
            Ok(TriggerFile::Timer)
        }
        "queueTrigger" => {
            connection(trigger, settings)?;
            Ok(TriggerFile::Queue { queue: text("queueName")? })
        }
        "cosmosDBTrigger" => {
            connection(trigger, settings)?;
            text("databaseName")?;
            let max_items = trigger["maxItemsPerInvocation"].as_u64().unwrap_or(100) as usize;
            Ok(TriggerFile::CosmosDb { container: text("containerName")?, max_items })
        }
        "eventGridTrigger" => Ok(TriggerFile::EventGrid),
        other => refuse(format!("{other} is not simulated")),
    }
}

/// `%NAME%` replaced by app settings; one that is not set stops the function.
fn resolved(text: &str, settings: &AppSettings) -> Result<String, Refusal> {
    let mut result = String::new();
    for (position, part) in text.split('%').enumerate() {
        match (position % 2, settings.get(part)) {
            (0, _) => result.push_str(part),
            (_, Some(value)) => result.push_str(value),
            (_, None) => return refuse(format!("app setting {part} is not set")),
        }
    }
    Ok(result)
}

/// Looks for the settings of a trigger's connection: `AzureWebJobsX`, `X`, or `X__…`.
fn connection(trigger: &Value, settings: &AppSettings) -> Result<(), Refusal> {
    let name = trigger["connection"].as_str().unwrap_or("AzureWebJobsStorage");
    let found = settings
        .keys()
        .any(|key| key == name || *key == format!("AzureWebJobs{name}") || key.starts_with(&format!("{name}__")));
    if found { Ok(()) } else { refuse(format!("no app setting for the connection {name}")) }
}

fn is_function_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !name.eq_ignore_ascii_case("host")
}

fn is_binding_name(name: &str) -> bool {
    name == "$return"
        || (name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric()))
}

fn json(path: &Path) -> Result<Value, Refusal> {
    let text = fs::read(path).map_err(|error| Refusal(format!("{}: {error}", path.display())))?;
    serde_json::from_slice(&text).map_err(|error| Refusal(format!("{}: {error}", path.display())))
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `hh:mm:ss`.
fn time_span(value: &Value) -> Result<Option<Duration>, Refusal> {
    let Some(text) = value.as_str() else { return Ok(None) };
    let parts: Vec<u64> = text.split(':').map_while(|part| part.parse().ok()).collect();
    match parts[..] {
        [hours, minutes, seconds] => Ok(Some(Duration::from_secs(hours * 3600 + minutes * 60 + seconds))),
        _ => refuse(format!("{text} is no time span")),
    }
}
