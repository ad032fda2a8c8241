//! The files that the host reads: those of the repository are those of the registry, a script root is
//! what the program lays out, and what the host would refuse is refused by the simulated one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pravis::function::Function;
use pravis::registry::{self, FALLBACK, FileProblem, Registry};
use pravis::types::Service;
use serde_json::{Value, json};

use crate::functions_host::FunctionsHost;
use crate::functions_host::script_root::{AppSettings, ScriptRoot};
use crate::support::process::run;

fn all() -> Registry {
    Registry::of(&Service::ALL).unwrap()
}

/// The files of the repository, in a directory that a test may change.
fn copied() -> tempfile::TempDir {
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
    fs::copy(from.join("host.json"), to.path().join("host.json")).unwrap();
    for entry in fs::read_dir(from.join("functions")).unwrap() {
        let folder = Path::new("functions").join(entry.unwrap().file_name());
        fs::create_dir_all(to.path().join(&folder)).unwrap();
        fs::copy(from.join(&folder).join("function.json"), to.path().join(&folder).join("function.json")).unwrap();
    }
    to
}

#[test]
fn the_files_of_the_repository_are_those_of_the_registry() {
    assert_eq!(registry::check(&all(), Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap(), []);
}

#[tokio::test]
async fn a_file_that_differs_is_named_and_put_right() {
    let root = copied();
    let path = |name: &str| root.path().join(name);
    fs::write(path("functions/VoiceCommand/function.json"), "{}").unwrap();
    fs::write(path("host.json"), "{ \"version\": \"2.0\" }").unwrap();
    fs::remove_file(path("functions/OpsHealth/function.json")).unwrap();
    fs::create_dir(path("functions/GoneFunction")).unwrap();
    fs::write(path("functions/VoiceJobsRun/run.py"), "").unwrap();

    let mut problems = registry::check(&all(), root.path()).unwrap();
    problems.sort_by_key(|problem| format!("{problem:?}"));
    let expected = [
        FileProblem::Different("functions/VoiceCommand/function.json".into()),
        FileProblem::Different("host.json".into()),
        FileProblem::Missing("functions/OpsHealth/function.json".into()),
        FileProblem::Stray("functions/GoneFunction".into()),
        FileProblem::Stray("functions/VoiceJobsRun/run.py".into()),
    ];
    assert_eq!(problems, expected);

    let none = BTreeMap::new();
    let check = run(&["functions", "check"], &none, root.path()).await;
    assert!(!check.status.success());
    let said = String::from_utf8(check.stderr).unwrap();
    for name in ["VoiceCommand", "host.json", "OpsHealth", "GoneFunction", "run.py"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(run(&["functions", "sync"], &none, root.path()).await.status.success());
    assert!(run(&["functions", "check"], &none, root.path()).await.status.success());
}

/// A script root for `services`, staged into a new directory by the program.
async fn staged(services: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("root");
    let mut arguments = vec!["stage", root.to_str().unwrap()];
    arguments.extend(services);
    let output = run(&arguments, &BTreeMap::new(), parent.path()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (parent, root)
}

fn settings() -> AppSettings {
    let pairs = [("COSMOS_DATABASE", "pravis"), ("COSMOS", "x"), ("AzureWebJobsStorage", "x")];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn a_part_of_the_services_is_staged_with_the_fallback_and_served_alone() {
    let host = FunctionsHost::setup().services("voice").start().await;
    let names: Vec<&str> = host.root().functions.iter().map(|function| function.name.as_str()).collect();
    let all = all();
    // Every deployment answers probes, whatever it serves besides.
    let probe = |function: &Function| function.http_trigger().is_some_and(|http| http.probe);
    let staged = all.functions().iter().filter(|it| it.service == Service::Voice || probe(it));
    let mut expected: Vec<&str> = staged.map(|function| function.name).chain([FALLBACK]).collect();
    expected.sort_by_key(|name| name.to_ascii_lowercase());
    assert_eq!(names, expected);
    assert_eq!(host.root().arguments, ["serve", "--services", "voice"]);
    // The handler serves what is staged: a function of another service is not there for the host either.
    let other = host.invoke("AnalyticsEventsProject", b"{}".to_vec()).await;
    assert_eq!(other.status, Some(http::StatusCode::NOT_FOUND));
    assert!(host.tick("VoiceSamplesReconcile").await.succeeded());
}

#[tokio::test]
async fn a_script_root_is_staged_again_but_nothing_else_is_overwritten() {
    let (parent, root) = staged(&[]).await;
    let whole = ScriptRoot::read(&root, &settings()).unwrap().functions.len();
    fs::write(root.join("local.settings.json"), "{}").unwrap();
    let none = BTreeMap::new();
    let again = ["stage", root.to_str().unwrap(), "--services", "ops"];
    assert!(run(&again, &none, parent.path()).await.status.success());
    assert!(root.join("local.settings.json").exists());
    assert!(ScriptRoot::read(&root, &settings()).unwrap().functions.len() < whole);

    // A project has a host.json too; it is left as it is.
    let project = copied();
    fs::write(project.path().join("Cargo.toml"), "").unwrap();
    let before = registry::check(&all(), project.path()).unwrap();
    let refused = run(&["stage", "."], &none, project.path()).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not staged"));
    assert_eq!(registry::check(&all(), project.path()).unwrap(), before);
    assert!(project.path().join("Cargo.toml").exists());
}

/// Changes one JSON file of a script root.
fn edit(path: PathBuf, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[tokio::test]
async fn what_the_host_refuses_is_refused() {
    let (_parent, root) = staged(&["--services", "ops,analytics"]).await;
    let refusal = |because: &str| {
        let refusal = ScriptRoot::read(&root, &settings()).unwrap_err().to_string();
        assert!(refusal.contains(because), "{refusal}");
    };
    ScriptRoot::read(&root, &settings()).unwrap();

    let host = root.join("host.json");
    let sound = fs::read(&host).unwrap();
    edit(host.clone(), |host| host["version"] = json!("2"));
    refusal("version");
    edit(host.clone(), |host| *host = json!({ "version": "2.0", "customHandler": {} }));
    refusal("defaultExecutablePath");
    fs::write(&host, sound).unwrap();

    let function = root.join("OpsHealth/function.json");
    let sound = fs::read(&function).unwrap();
    for (because, field, value) in [
        ("reserved", "route", json!("admin/health")),
        ("reserved", "route", json!("runtimes")),
        ("binding's name", "name", json!("the_request")),
        ("direction", "direction", json!("out")),
    ] {
        edit(function.clone(), |file| file["bindings"][0][field] = value);
        refusal(because);
        fs::write(&function, &sound).unwrap();
    }
    edit(function.clone(), |file| {
        file["bindings"].as_array_mut().unwrap().push(json!({ "type": "queue", "direction": "out", "name": "q" }))
    });
    refusal("JSON payloads");
    fs::write(&function, &sound).unwrap();

    fs::write(root.join("OpsHealth/notes.txt"), "").unwrap();
    refusal("taken for a script");
    fs::remove_file(root.join("OpsHealth/notes.txt")).unwrap();

    fs::rename(root.join("OpsHealth"), root.join("Ops.Health")).unwrap();
    refusal("not a name");
    // Nested folders are no functions: the rest is read as if this one were not there.
    fs::create_dir(root.join("functions")).unwrap();
    fs::rename(root.join("Ops.Health"), root.join("functions/OpsHealth")).unwrap();
    assert!(ScriptRoot::read(&root, &settings()).unwrap().function("OpsHealth").is_none());

    let mut incomplete = settings();
    incomplete.remove("COSMOS_DATABASE");
    assert!(ScriptRoot::read(&root, &incomplete).unwrap_err().to_string().contains("COSMOS_DATABASE"));
    fs::remove_file(root.join("handler")).unwrap();
    refusal("not executable");
}
