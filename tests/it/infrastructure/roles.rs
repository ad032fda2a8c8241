//! Who may do what: the roles that templates assign are those that docs/azure.md accounts for, one by one.

use std::collections::BTreeSet;

use super::bicep::{Node, Template};
use super::{Files, complains, content, files, read, with};

/// Built-in roles by their ids (<https://learn.microsoft.com/azure/role-based-access-control/built-in-roles>).
const NAMES: [(&str, &str); 9] = [
    ("00000000-0000-0000-0000-000000000002", "Cosmos DB Built-in Data Contributor"),
    ("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "Storage Blob Data Owner"),
    ("ba92f5b4-2d11-453d-a403-e96b0029c9fe", "Storage Blob Data Contributor"),
    ("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "Storage Blob Data Reader"),
    ("974c5e8b-45b9-4653-ba55-5f855dd0fb88", "Storage Queue Data Contributor"),
    ("0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "Storage Table Data Contributor"),
    ("4633458b-17de-408a-b874-0445c86b69e6", "Key Vault Secrets User"),
    ("b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "Key Vault Secrets Officer"),
    ("3913510d-42f4-4e42-8a64-420c390055eb", "Monitoring Metrics Publisher"),
];

/// One assignment: who, in which module, which role.
type Assignment = (String, String, String);

fn who(principal: &str) -> String {
    principal.trim_end_matches("PrincipalId").to_owned()
}

/// The names of the roles that the strings of a value stand for.
fn role(template: &Template, value: &Node) -> String {
    let member = |node: &Node| -> Option<String> {
        let [object, name] = node.children.as_slice() else { return None };
        template.variables.get(&object.text)?.property(&name.text)?.literal()
    };
    let ids = value.walk().into_iter().filter_map(|node| match node.kind {
        "member_expression" => member(node),
        "identifier" => template.resolved(node).literal(),
        "string" => node.literal(),
        _ => None,
    });
    let named = ids.filter_map(|id| NAMES.iter().find(|(known, _)| *known == id)).map(|(_, name)| *name);
    named.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("+")
}

fn assigned(files: &Files) -> BTreeSet<Assignment> {
    let mut found = BTreeSet::new();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".bicep")) {
        let Ok(template) = Template::read(path, text) else { continue };
        let module = path.trim_start_matches("modules/").trim_end_matches(".bicep").to_owned();
        for resource in &template.resources {
            let kind = resource.kind.split('@').next().unwrap_or_default();
            let properties = resource.body.property("properties");
            let text = |name: &str| properties.and_then(|it| it.property(name)).map(|it| it.text.clone());
            match kind.rsplit('/').next().unwrap_or_default() {
                // Its callers say who and what.
                "roleAssignments" if module == "container-role" => {}
                "roleAssignments" | "sqlRoleAssignments" => {
                    let role = role(&template, properties.and_then(|it| it.property("roleDefinitionId")).unwrap());
                    found.insert((who(&text("principalId").unwrap()), module.clone(), role));
                }
                "accessPolicyAssignments" => {
                    let user = properties.and_then(|it| it.property("user")?.property("objectId")).unwrap();
                    let policy = properties.and_then(|it| it.property("accessPolicyName")?.literal()).unwrap();
                    found.insert((who(&user.text), module.clone(), format!("access policy {policy}")));
                }
                _ => {}
            }
        }
        for call in template.modules.iter().filter(|it| it.path == "container-role.bicep") {
            let params = call.body.property("params").unwrap();
            let role = role(&template, params.property("role").unwrap());
            found.insert((who(&params.property("principalId").unwrap().text), format!("{module}, media"), role));
        }
    }
    found
}

/// The rows of the table of roles in docs/azure.md.
fn documented(text: &str) -> BTreeSet<Assignment> {
    let section = text.split("\n## ").find(|section| section.starts_with("Roles\n")).unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let plain = |cell: &str| cell.trim_matches('`').to_owned();
        Some((plain(cells.first()?), plain(cells.get(1)?), plain(cells.get(2)?)))
    })
    .collect()
}

fn complaints(files: &Files, text: &str) -> Vec<String> {
    let (assigned, documented) = (assigned(files), documented(text));
    let told = |(who, module, role): &Assignment| format!("{who} in {module}: {role}");
    let extra = assigned.difference(&documented).map(|it| format!("docs/azure.md has no row for {}", told(it)));
    let missing = documented.difference(&assigned).map(|it| format!("no template assigns {}", told(it)));
    extra.chain(missing).collect()
}

#[test]
fn each_role_is_accounted_for() {
    let text = read("docs/azure.md");
    assert!(documented(&text).len() > 8);
    content(complaints(&files(), &text));
}

#[test]
fn a_role_too_many_or_too_few_is_told() {
    let text = read("docs/azure.md");
    // The role of an owner instead of a reader's.
    let more =
        with("modules/storage.bicep", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b");
    complains(
        &complaints(&more, &text),
        "docs/azure.md has no row for edge in storage, media: Storage Blob Data Owner",
    );
    complains(&complaints(&more, &text), "no template assigns edge in storage, media: Storage Blob Data Reader");
    let less = text.replace("| `api` | `key-vault` |", "| `api` | `vault` |");
    complains(&complaints(&files(), &less), "no row for api in key-vault: Key Vault Secrets User");
}

#[test]
fn nothing_is_opened_by_a_key() {
    let closed = [
        ("modules/cosmos.bicep", "disableLocalAuth: true"),
        ("modules/storage.bicep", "allowSharedKeyAccess: false"),
        ("modules/storage.bicep", "allowBlobPublicAccess: false"),
        ("modules/packages.bicep", "allowSharedKeyAccess: false"),
        ("modules/packages.bicep", "allowBlobPublicAccess: false"),
        ("modules/sql.bicep", "azureADOnlyAuthentication: true"),
        ("modules/redis.bicep", "accessKeysAuthentication: 'Disabled'"),
        ("modules/key-vault.bicep", "enableRbacAuthorization: true"),
        ("modules/key-vault.bicep", "enablePurgeProtection: true"),
        ("modules/monitoring.bicep", "DisableLocalAuth: true"),
    ];
    let files = files();
    for (path, property) in closed {
        assert!(files[path].contains(property), "{path} lacks {property}");
    }
}
