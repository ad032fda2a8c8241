//! The table as Azure's own lifecycle management takes it
//! (<https://learn.microsoft.com/azure/templates/microsoft.storage/storageaccounts/managementpolicies>). It knows
//! ages only: it moves blobs between tiers, and deletes what even the sweep's last day has passed by.

use serde_json::{Map, Value, json};

use super::rules::{ContainerRule, RULES};

/// Where the policy is kept for the infrastructure code, below the root of the repository.
pub const POLICY_FILE: &str = "bicep/modules/storage-lifecycle.json";

/// How long a blob that was fetched from the archive stays out of it. Without this the service would put it
/// back the next day, its content being as old as before.
const DAYS_OUT_OF_THE_ARCHIVE: u32 = 7;

/// `properties.policy` of `Microsoft.Storage/storageAccounts/managementPolicies`. A container about which its
/// rule says nothing has none.
pub fn policy() -> Value {
    json!({ "rules": RULES.iter().filter_map(policy_rule).collect::<Vec<_>>() })
}

/// The policy as it stands in [`POLICY_FILE`].
pub fn policy_text() -> String {
    format!("{:#}\n", policy())
}

fn policy_rule(rule: &ContainerRule) -> Option<Value> {
    let mut actions = Map::new();
    let after = |days: u32| json!({ "daysAfterModificationGreaterThan": days });
    for (action, days) in [
        ("tierToCool", rule.cool_after),
        ("tierToCold", rule.cold_after),
        ("tierToArchive", rule.archive_after),
        ("delete", rule.delete_after),
    ] {
        if let Some(days) = days {
            actions.insert(action.to_owned(), after(days));
        }
    }
    if let Some(archive) = actions.get_mut("tierToArchive") {
        archive["daysAfterLastTierChangeGreaterThan"] = json!(DAYS_OUT_OF_THE_ARCHIVE);
    }
    (!actions.is_empty()).then(|| {
        json!({
            "name": rule.container,
            "enabled": true,
            "type": "Lifecycle",
            "definition": {
                "filters": { "blobTypes": ["blockBlob"], "prefixMatch": [format!("{}/", rule.container)] },
                "actions": { "baseBlob": actions },
            },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_for_the_infrastructure_is_that_of_the_table() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(POLICY_FILE);
        let found = std::fs::read_to_string(file).unwrap();
        assert_eq!(found, policy_text(), "write it with `handler lifecycle policy > {POLICY_FILE}`");
    }

    #[test]
    fn the_policy_says_what_the_table_says() {
        let policy = policy();
        let rules = policy["rules"].as_array().unwrap();
        assert!(!rules.iter().any(|rule| rule["name"] == "media"), "pictures of products stay as they are");
        let uploads = &rules[0];
        assert_eq!(uploads["definition"]["filters"]["prefixMatch"], json!(["voice-uploads/"]));
        assert_eq!(
            uploads["definition"]["actions"]["baseBlob"],
            json!({
                "tierToCool": { "daysAfterModificationGreaterThan": 30 },
                "tierToCold": { "daysAfterModificationGreaterThan": 90 },
                "tierToArchive": { "daysAfterModificationGreaterThan": 180, "daysAfterLastTierChangeGreaterThan": 7 },
                "delete": { "daysAfterModificationGreaterThan": 730 },
            })
        );
        // The service's limits: names of letters, digits and hyphens, at most 100 rules.
        assert!(rules.len() <= 100);
    }
}
