//! The settings that are deployed, shown in the README and given as an example are those that the program reads.

use std::collections::BTreeSet;

use pravis::settings::{Deployed, VARIABLES, variable};

use super::bicep::Template;
use super::{Files, complains, content, files, read, read_json, root, with, yaml};

/// What the Functions host, the platform or Azure's libraries read, and the program does not.
const PLATFORM: [&str; 13] = [
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "COSMOS__accountEndpoint",
    "COSMOS__credential",
    "COSMOS__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "WEBSITE_RUN_FROM_PACKAGE",
];

/// What a deployment that sets `names` does wrong.
fn judged(place: &str, names: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in names.iter().filter(|name| !PLATFORM.contains(&name.as_str())) {
        match variable(name).map(|row| row.deployed) {
            None => wrong.push(format!("{place} sets {name}, which nobody reads: see handlers/settings/table.rs")),
            Some(Deployed::Never) => wrong.push(format!("{place} sets {name}, which no deployment should")),
            Some(Deployed::Always | Deployed::AtWill) => {}
        }
    }
    let always = VARIABLES.iter().filter(|row| row.deployed == Deployed::Always);
    let missing = always.filter(|row| !names.contains(row.name));
    wrong.extend(missing.map(|row| format!("{place} does not set {}, which every deployment needs", row.name)));
    wrong
}

/// The names that the template of a region sets for its apps.
fn of_apps(files: &Files) -> BTreeSet<String> {
    let template = Template::read("modules/region.bicep", &files["modules/region.bicep"]).unwrap();
    let given = template.modules.iter().filter_map(|module| module.body.property("params")?.property("settings"));
    let objects = given.flat_map(|value| value.walk()).map(|node| template.resolved(node));
    let names = objects.filter(|node| node.kind == "object").flat_map(|node| node.properties());
    names.filter_map(|(name, _)| name).collect()
}

fn of_a_plan(files: &Files) -> BTreeSet<String> {
    let template = Template::read("app", &files["modules/app-dedicated.bicep"]).unwrap();
    let names = template.variables["planSettings"].properties().into_iter();
    names.filter_map(|(name, _)| name).collect()
}

fn of_kubernetes(files: &Files) -> BTreeSet<String> {
    let map = yaml(&files["kubernetes/settings.yaml"]).remove(0);
    map["data"].as_object().unwrap().keys().cloned().collect()
}

fn complaints(files: &Files) -> Vec<String> {
    let plan = of_a_plan(files);
    let strangers = plan.iter().filter(|name| !PLATFORM.contains(&name.as_str()));
    [
        judged("modules/region.bicep", &of_apps(files)),
        judged("kubernetes/settings.yaml", &of_kubernetes(files)),
        strangers.map(|name| format!("app-dedicated.bicep sets {name}, which the platform does not read")).collect(),
    ]
    .concat()
}

#[test]
fn deployments_set_what_the_program_reads_and_needs() {
    content(complaints(&files()));
    let all = files();
    let set: BTreeSet<String> = [of_apps(&all), of_a_plan(&all), of_kubernetes(&all)].into_iter().flatten().collect();
    let idle: Vec<_> = PLATFORM.into_iter().filter(|name| !set.contains(*name)).collect();
    assert!(idle.is_empty(), "nobody sets {idle:?}");
}

#[test]
fn a_setting_that_is_missing_strange_or_harmful_is_told() {
    let region = |old: &str, new: &str| complaints(&with("modules/region.bicep", old, new));
    complains(&region("  REDIS_AUTH: 'entra'\n", ""), "does not set REDIS_AUTH");
    complains(&region("REDIS_AUTH:", "REDIS_AUTHENTICATION:"), "sets REDIS_AUTHENTICATION, which nobody reads");
    complains(&region("  REDIS_AUTH: 'entra'\n", "  REDIS_AUTH: 'entra'\n  COSMOS_KEY: 'key'\n"), "sets COSMOS_KEY");
    let map = complaints(&with("kubernetes/settings.yaml", "  SQL_URL:", "  SQL_ADDRESS:"));
    complains(&map, "settings.yaml does not set SQL_URL");
}

/// The names in the first column of the README's table of settings.
fn of_the_readme(readme: &str) -> BTreeSet<String> {
    let section = readme.split("\n## ").find(|section| section.starts_with("Settings\n")).unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').step_by(2)).map(|name| name.replace("<NAME>", "")).collect()
}

fn readme_complaints(readme: &str) -> Vec<String> {
    let shown = of_the_readme(readme);
    // What is only there to be refused is told in the text.
    let rows = VARIABLES.iter().filter(|row| row.name != "SERVICE_BUS");
    let missing = rows.filter(|row| !shown.contains(row.name)).map(|row| format!("README: no row for {}", row.name));
    let strange = shown.iter().filter(|name| !VARIABLES.iter().any(|row| row.name == name.as_str()));
    missing.chain(strange.map(|name| format!("README: {name} is no setting"))).collect()
}

#[test]
fn the_readme_has_a_row_for_each_setting() {
    let readme = read("README.md");
    content(readme_complaints(&readme));
    complains(&readme_complaints(&readme.replace("| `PRAVIS_SEED`", "| `PRAVIS_SEEDS`")), "no row for PRAVIS_SEED");
    complains(&readme_complaints(&readme.replace("| `PRAVIS_SEED`", "| `PRAVIS_SEEDS`")), "PRAVIS_SEEDS is no setting");
}

#[test]
fn the_example_of_local_settings_sets_what_is_read() {
    let example = read_json("local.settings.example.json");
    for name in example["Values"].as_object().unwrap().keys() {
        assert!(variable(name).is_some() || PLATFORM.contains(&name.as_str()), "nobody reads {name}");
    }
}

#[test]
fn variables_are_read_in_one_place() {
    let mut folders = vec![root().join("handlers")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The main function hands them to the settings; tests may ask where the machine's programs are.
            if path.ends_with("handlers/main.rs") || path.ends_with("tests.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("env::var"), "{} reads the environment by itself", path.display());
        }
    }
}
