//! The templates hold together: they parse, name only what is there, give modules what they need, and use types,
//! API versions and properties of Azure that exist.

use std::collections::{BTreeMap, BTreeSet};

use super::bicep::{Node, Template};
use super::{Files, complains, content, files, read_json, with};
use pravis::infrastructure;

/// Functions of the language that templates use.
const FUNCTIONS: &[&str] = &[
    "cidrSubnet",
    "concat",
    "contains",
    "empty",
    "environment",
    "filter",
    "flatten",
    "guid",
    "indexOf",
    "items",
    "join",
    "length",
    "listKeys",
    "loadJsonContent",
    "map",
    "max",
    "range",
    "readEnvironmentVariable",
    "replace",
    "resourceGroup",
    "resourceId",
    "split",
    "string",
    "subscription",
    "subscriptionResourceId",
    "take",
    "tenant",
    "union",
    "uniqueString",
];
/// Namespaces of the language.
const NAMESPACES: [&str; 2] = ["az", "sys"];

/// Reads all templates.
fn templates(files: &Files) -> Result<BTreeMap<String, Template>, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".bicep")) {
        match Template::read(path, text) {
            Ok(template) => {
                found.insert(path.clone(), template);
            }
            Err(complaints) => wrong.extend(complaints),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

/// A path as it is seen from the file `from`.
fn beside(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Names in an expression that nothing declares.
fn unknown_names(node: &Node, scope: &BTreeSet<String>, used: &mut BTreeSet<String>, wrong: &mut Vec<String>) {
    let mut inner = scope.clone();
    let mut children: Vec<&Node> = node.children.iter().collect();
    match node.kind {
        "type" | "decorators" | "primitive_type" => return,
        // A name is none of ours, unless it is computed.
        "object_property" if children[0].kind != "string" => {
            children.remove(0);
        }
        "call_expression" if children[0].kind == "identifier" => {
            if !FUNCTIONS.contains(&children[0].text.as_str()) {
                wrong.push(format!("line {}: no function {}", node.line, children[0].text));
            }
            children.remove(0);
        }
        "lambda_expression" | "for_statement" => {
            let names = children.remove(0);
            inner.extend(names.walk().iter().filter(|it| it.children.is_empty()).map(|it| it.text.clone()));
        }
        "identifier" => {
            used.insert(node.text.clone());
            if !scope.contains(&node.text) && !NAMESPACES.contains(&node.text.as_str()) {
                wrong.push(format!("line {}: nothing is called {}", node.line, node.text));
            }
        }
        _ => {}
    }
    for child in children {
        unknown_names(child, &inner, used, wrong);
    }
}

/// Names that are unknown or idle.
fn names(template: &Template) -> Vec<String> {
    let symbols = template.resources.iter().map(|it| &it.symbol).chain(template.modules.iter().map(|it| &it.symbol));
    let scope: BTreeSet<String> =
        template.parameters.keys().chain(template.variables.keys()).chain(symbols).cloned().collect();
    let (mut used, mut wrong) = (BTreeSet::new(), Vec::new());
    let values = |node: &&Node| node.kind.ends_with("_declaration") && node.kind != "type_declaration";
    for declaration in template.tree.children.iter().filter(values) {
        for value in declaration.children.iter().skip(1) {
            unknown_names(value, &scope, &mut used, &mut wrong);
        }
    }
    let declared = template.parameters.keys().chain(template.variables.keys());
    wrong.extend(declared.filter(|name| !used.contains(*name)).map(|name| format!("{name} is not used")));
    wrong
}

/// What modules are given and asked for, against what they declare.
fn modules(template: &Template, all: &BTreeMap<String, Template>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut outputs: BTreeMap<&str, &BTreeSet<String>> = BTreeMap::new();
    for module in &template.modules {
        let Some(target) = all.get(&beside(&template.path, &module.path)) else {
            wrong.push(format!("line {}: no module {}", module.line, module.path));
            continue;
        };
        outputs.insert(&module.symbol, &target.outputs);
        let given: BTreeSet<String> = module
            .body
            .property("params")
            .map(|params| params.properties().into_iter().filter_map(|(name, _)| name).collect())
            .unwrap_or_default();
        let told = |name: &String, what: &str| format!("line {}: {} {what} {name}", module.line, module.path);
        wrong.extend(given.iter().filter(|name| !target.parameters.contains_key(*name)).map(|n| told(n, "knows no")));
        let needed = target.parameters.iter().filter(|(_, needed)| **needed).map(|(name, _)| name);
        wrong.extend(needed.filter(|name| !given.contains(*name)).map(|name| told(name, "needs")));
    }
    for node in template.tree.walk() {
        let ("member_expression", [object, name]) = (node.kind, node.children.as_slice()) else { continue };
        let ("member_expression", [owner, word]) = (object.kind, object.children.as_slice()) else { continue };
        let symbol = if owner.kind == "subscript_expression" { &owner.children[0].text } else { &owner.text };
        if let (Some(known), "outputs") = (outputs.get(symbol.as_str()), word.text.as_str())
            && !known.contains(&name.text)
        {
            wrong.push(format!("line {}: {symbol} has no output {}", node.line, name.text));
        }
    }
    wrong
}

/// Files that are loaded.
fn loads(template: &Template, files: &Files) -> Vec<String> {
    let calls = template.tree.walk().into_iter().filter(|node| node.kind == "call_expression");
    let loaded = calls.filter(|call| call.children[0].text == "loadJsonContent");
    let paths = loaded.filter_map(|call| call.children[1].children[0].literal());
    paths
        .filter(|path| {
            let text = files.get(&beside(&template.path, path));
            text.is_none_or(|text| serde_json::from_str::<serde_json::Value>(text).is_err())
        })
        .map(|path| format!("no JSON in {path}"))
        .collect()
}

/// Types, API versions and properties of Azure that nobody has looked up.
fn types(template: &Template, seen: &mut BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let known = known_types();
    let mut wrong = Vec::new();
    for resource in &template.resources {
        let used = seen.entry(resource.kind.clone()).or_default();
        let Some(properties) = known.get(&resource.kind) else {
            wrong.push(format!("{} is not among the types that were looked up", resource.kind));
            continue;
        };
        if resource.existing {
            continue;
        }
        for path in template.property_paths(resource) {
            let mut open = path.match_indices('.').map(|(at, _)| format!("{}.*", &path[..at]));
            let listed = open.find(|open| properties.contains(open)).unwrap_or_else(|| path.clone());
            if properties.contains(&listed) {
                used.insert(listed);
            } else {
                wrong.push(format!("{} has no {path}", resource.kind));
            }
        }
    }
    wrong
}

/// What was compared with the type definitions that Microsoft publishes for Bicep (bicep-types-az, August 2026):
/// resource types with their API versions, and of each the properties that are used here.
fn known_types() -> BTreeMap<String, BTreeSet<String>> {
    serde_json::from_value(read_json("tests/fixtures/infrastructure/azure-types.json")).unwrap()
}

/// The parameters that a file gives, as Bicep: the grammar knows templates only.
fn parameter_file(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("using "))
        .map(|line| match line.strip_prefix("param ") {
            Some(rest) => format!("var {rest}\n"),
            None => format!("{line}\n"),
        })
        .collect()
}

/// All complaints about templates and parameter files.
fn complaints(files: &Files) -> Vec<String> {
    let all = match templates(files) {
        Ok(all) => all,
        Err(wrong) => return wrong,
    };
    let mut wrong = Vec::new();
    let mut seen = BTreeMap::new();
    for (path, template) in &all {
        let found = [names(template), modules(template, &all), loads(template, files), types(template, &mut seen)];
        wrong.extend(found.concat().into_iter().map(|complaint| format!("{path}: {complaint}")));
    }
    for (kind, properties) in known_types() {
        match seen.get(&kind) {
            None => wrong.push(format!("azure-types.json: {kind} is not used")),
            Some(used) => wrong.extend(
                properties.difference(used).map(|path| format!("azure-types.json: {path} of {kind} is not used")),
            ),
        }
    }
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".bicepparam")) {
        match Template::read(path, &parameter_file(text)) {
            Err(complaints) => wrong.extend(complaints),
            Ok(given) => {
                let main = &all["main.bicep"];
                let needed = main.parameters.iter().filter(|(_, needed)| **needed).map(|(name, _)| name);
                let missing = needed.filter(|name| !given.variables.contains_key(*name));
                wrong.extend(missing.map(|name| format!("{path}: {name} is not given")));
                let unknown = given.variables.keys().filter(|name| !main.parameters.contains_key(*name));
                wrong.extend(unknown.map(|name| format!("{path}: main.bicep knows no {name}")));
            }
        }
    }
    wrong
}

#[test]
fn the_templates_hold_together() {
    content(complaints(&files()));
}

#[test]
fn what_does_not_hold_together_is_told() {
    let broken = |path: &str, old: &str, new: &str, word: &str| complains(&complaints(&with(path, old, new)), word);
    broken("main.bicep", "module sql 'modules/sql.bicep' = {", "module sql 'modules/sql.bicep' = ", "not Bicep");
    broken("main.bicep", "modules/budget.bicep", "modules/budgets.bicep", "no module modules/budgets.bicep");
    broken("main.bicep", "    amount: monthlyBudget\n", "", "needs amount");
    broken("main.bicep", "    amount: monthlyBudget\n", "    amount: monthlyBudget\n    cap: 1\n", "knows no cap");
    broken("main.bicep", "vault.outputs.uri", "vault.outputs.url", "vault has no output url");
    broken(
        "main.bicep",
        "network[index].outputs.appsSubnetId",
        "network[index].outputs.subnet",
        "has no output subnet",
    );
    broken("modules/cosmos.bicep", "locations[0]", "places[0]", "nothing is called places");
    broken("modules/cosmos.bicep", "length(locations)", "len(locations)", "no function len");
    broken("modules/cosmos.bicep", "param name string\n", "param name string\nparam idle string\n", "idle is not used");
    broken("modules/cosmos.bicep", "cosmos-containers.json", "containers.json", "no JSON in containers.json");
    broken("modules/cosmos.bicep", "disableLocalAuth", "localAuth", "has no properties.localAuth");
    broken("modules/key-vault.bicep", "vaults@2024-11-01", "vaults@2024-11-31", "is not among the types");
    broken(
        "modules/budget.bicep",
        "    category: 'Cost'\n",
        "",
        "properties.category of Microsoft.Consumption/budgets",
    );
    broken("environments/dev.bicepparam", "param costCentre = 'engineering'\n", "", "costCentre is not given");
    broken("environments/dev.bicepparam", "param costCentre", "param costCenter", "knows no costCenter");
}

#[test]
fn what_follows_from_the_code_is_what_the_code_says() {
    for (path, wanted) in infrastructure::files().unwrap() {
        let found = super::read(path);
        assert_eq!(found, wanted, "{path}: write it with `handler infrastructure sync`");
    }
}

#[test]
fn the_containers_fit_into_one_database() {
    // Twenty-five share the throughput of a database at most; one of them is the host's.
    // (https://learn.microsoft.com/azure/cosmos-db/concepts-limits)
    let containers = pravis::containers::DOCUMENT_CONTAINERS.len() + 1;
    assert!(containers <= 25, "{containers} containers: give some throughput of their own in modules/cosmos.bicep");
}

#[test]
fn names_of_apps_differ_where_the_host_stops_to_look() {
    // The Functions host knows an app by the first 32 characters of its name, and both colours share a storage account.
    for path in ["environments/dev.bicepparam", "environments/staging.bicepparam", "environments/production.bicepparam"]
    {
        let text = parameter_file(&files()[path]);
        let given = Template::read(path, &text).unwrap();
        let names = |list: &str, key: &str| -> Vec<String> {
            let items = given.variables[list].children.iter();
            items.map(|item| item.property(key).and_then(Node::literal).unwrap()).collect()
        };
        let environment = given.variables["environment"].literal().unwrap();
        let mut seen = BTreeSet::new();
        for app in names("apps", "name") {
            for code in names("regions", "code") {
                for colour in ["blue", "green"] {
                    let name = format!("pravis-{}-{app}-{code}-{colour}", &environment[..environment.len().min(4)]);
                    let known: String = format!("{name}-unique").chars().take(32).collect();
                    assert!(seen.insert(known.clone()), "{path}: {known} is not alone");
                }
            }
        }
    }
}

/// The patterns of each service, as Front Door gets them.
fn routes() -> BTreeMap<String, Vec<String>> {
    let files = infrastructure::files().unwrap();
    let (_, text) = files.into_iter().find(|(path, _)| path.ends_with("routes.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn no_service_hides_the_paths_of_another() {
    // Else the app that answers all that is left would not see some of its own.
    let routes = routes();
    for (service, patterns) in &routes {
        for prefix in patterns.iter().filter_map(|pattern| pattern.strip_suffix('*')) {
            let others = routes.iter().filter(|(other, _)| *other != service);
            let hidden: Vec<_> =
                others.flat_map(|(_, theirs)| theirs).filter(|path| path.starts_with(prefix)).collect();
            assert!(hidden.is_empty(), "{prefix}* of {service} hides {hidden:?}");
        }
    }
}

#[test]
fn the_paths_of_an_app_fit_into_a_route() {
    // (https://learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits)
    const PATTERNS_OF_A_ROUTE: usize = 25;
    let routes = routes();
    for (path, text) in files().iter().filter(|(path, _)| path.ends_with(".bicepparam")) {
        let given = Template::read(path, &parameter_file(text)).unwrap();
        for app in given.variables["apps"].children.iter().skip(1) {
            let services = app.property("services").map(|list| list.children.clone()).unwrap_or_default();
            let names = services.iter().filter_map(Node::literal);
            let count: usize = names.filter_map(|name| routes.get(&name)).map(Vec::len).sum();
            assert!(count <= PATTERNS_OF_A_ROUTE, "{path}: {} needs {count} patterns", app.text);
        }
    }
}
