//! All functions of the product, in one table, and what follows from it: `function.json` files, the
//! OpenAPI document, the staged script root.

mod budgets;
mod files;
mod openapi;
mod routes;
mod stage;

pub use files::{FALLBACK, FileProblem, check, sync};
pub use openapi::openapi;
pub use routes::{Match, RouteTable};
pub use stage::stage;

use std::collections::BTreeSet;

use crate::function::{Access, Function, Trigger};
use crate::services;
use crate::types::Service;

/// Why the table of functions cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistryError {
    #[error("function {0}: a name is a letter and then letters and digits, at most 128, and not `host`")]
    Name(String),
    #[error("function {0} is declared twice")]
    Twice(String),
    #[error("function {0}: shoppers wait for it, so it needs a budget of request units")]
    Budget(String),
    #[error("function {name}: {problem}")]
    Route { name: String, problem: String },
}

/// The functions of a process or a deployment.
pub struct Registry {
    functions: Vec<Function>,
}

impl Registry {
    /// All functions of `services`, and those that answer probes: every deployment is asked whether it is ready.
    ///
    /// # Errors
    /// The first rule that the table breaks: names, duplicates, budgets, routes that collide.
    pub fn of(services: &[Service]) -> Result<Self, RegistryError> {
        let probe = |function: &Function| function.http_trigger().is_some_and(|http| http.probe);
        let wanted = |function: &Function| services.contains(&function.service) || probe(function);
        let mut functions: Vec<Function> = services::functions().into_iter().filter(wanted).collect();
        let mut names = BTreeSet::new();
        for function in &mut functions {
            if !valid_name(function.name) {
                return Err(RegistryError::Name(function.name.into()));
            }
            if !names.insert(function.name.to_ascii_lowercase()) {
                return Err(RegistryError::Twice(function.name.into()));
            }
            if let Trigger::Http(http) = &mut function.trigger {
                http.request_units = budgets::request_units(function.name);
                let shoppers = http.access == Access::Anyone || http.access == Access::SignedIn;
                if shoppers && function.service != Service::Ops && http.request_units.is_none() {
                    return Err(RegistryError::Budget(function.name.into()));
                }
            }
        }
        let registry = Self { functions };
        RouteTable::new(&registry)?;
        registry.check_host_order()?;
        Ok(registry)
    }

    /// The functions, in the order of declaration.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function of this name, exactly as it is written.
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The Functions host takes the first route that matches in the order of function names
    /// (case-insensitive), so a route with a parameter must come after the literal ones it covers.
    fn check_host_order(&self) -> Result<(), RegistryError> {
        let mut rows: Vec<_> = self.functions.iter().filter_map(|f| Some((f.name, f.http_trigger()?))).collect();
        rows.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        for (position, (name, earlier)) in rows.iter().enumerate() {
            for (later_name, later) in &rows[position + 1..] {
                if earlier.method == later.method && earlier.route != later.route && covers(earlier.route, later.route)
                {
                    return Err(RegistryError::Route {
                        name: (*name).into(),
                        problem: format!(
                            "its route {} hides {} of {later_name} from the Functions host; give it a name that sorts later",
                            earlier.route, later.route
                        ),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Whether every path of `route` also matches `pattern`.
fn covers(pattern: &str, route: &str) -> bool {
    let (mut pattern, mut route) = (pattern.split('/'), route.split('/'));
    loop {
        match (pattern.next(), route.next()) {
            (None, None) => return true,
            (Some(segment), _) if segment.starts_with("{*") => return true,
            (Some(a), Some(b)) if a.starts_with('{') || a.eq_ignore_ascii_case(b) => {}
            _ => return false,
        }
    }
}

fn valid_name(name: &str) -> bool {
    name.len() <= 128
        && !name.eq_ignore_ascii_case("host")
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// The kind of a trigger in metric labels and logs.
pub fn trigger_name(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::Http(_) => "http",
        Trigger::Blob { .. } => "blob",
        Trigger::Timer { .. } => "timer",
        Trigger::Queue { .. } => "queue",
        Trigger::ChangeFeed { .. } => "changeFeed",
        Trigger::StorageEvents { .. } => "storageEvents",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table_obeys_the_rules() {
        Registry::of(&Service::ALL).unwrap();
        for service in Service::ALL {
            let registry = Registry::of(&[service]).unwrap();
            assert!(registry.get("OpsHealthReady").is_some(), "{} cannot be probed", service.name());
        }
    }

    #[test]
    fn a_parameter_covers_literals_but_not_other_lengths() {
        assert!(covers("v1/products/{id}", "v1/products/featured"));
        assert!(!covers("v1/products/{id}", "v1/products"));
        assert!(!covers("v1/products/featured", "v1/products/{id}"));
        assert!(covers("{*rest}", "v1/anything"));
    }
}
