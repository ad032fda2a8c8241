//! The paths of the services as patterns of a gateway: a path, or everything below one. Azure Front Door takes
//! the longest pattern that matches, with `*` only after the last slash
//! (<https://learn.microsoft.com/azure/frontdoor/front-door-route-matching>).

use std::collections::{BTreeMap, BTreeSet};

use crate::types::Service;

/// Two services share the paths below a parameter, which no pattern tells apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} belongs to several services, and a gateway cannot tell them apart below a parameter")]
pub struct RouteConflict {
    pub path: String,
}

#[derive(Default)]
struct Node {
    /// Who answers exactly here.
    here: BTreeSet<Service>,
    below: BTreeMap<String, Node>,
}

impl Node {
    fn services(&self) -> BTreeSet<Service> {
        let below = self.below.values().flat_map(Node::services);
        self.here.iter().copied().chain(below).collect()
    }

    fn patterns(&self, path: &str, found: &mut BTreeMap<Service, Vec<String>>) -> Result<(), RouteConflict> {
        let services: Vec<Service> = self.services().into_iter().collect();
        if let ([service], true) = (services.as_slice(), path.starts_with("/api/")) {
            let patterns = found.entry(*service).or_default();
            if let Some(parent) = parent_of_parameter(path) {
                // Literal neighbours of other services have longer patterns, which go before this one.
                patterns.push(format!("{parent}/*"));
                return Ok(());
            }
            if !self.here.is_empty() {
                patterns.push(path.to_owned());
            }
            if !self.below.is_empty() {
                patterns.push(format!("{path}/*"));
            }
            return Ok(());
        }
        if self.here.len() > 1 || parent_of_parameter(path).is_some() {
            return Err(RouteConflict { path: path.to_owned() });
        }
        for service in &self.here {
            found.entry(*service).or_default().push(path.to_owned());
        }
        self.below.iter().try_for_each(|(segment, node)| node.patterns(&format!("{path}/{segment}"), found))
    }
}

/// The path before a last segment that is a parameter.
fn parent_of_parameter(path: &str) -> Option<&str> {
    path.rsplit_once('/').filter(|(_, last)| last.starts_with('{')).map(|(parent, _)| parent)
}

/// The fewest patterns by service that send each of `routes` (below `/api/`) to its service.
///
/// # Errors
/// Where services share what follows a parameter.
pub fn patterns(
    routes: impl IntoIterator<Item = (&'static str, Service)>,
) -> Result<BTreeMap<Service, Vec<String>>, RouteConflict> {
    let mut root = Node::default();
    for (route, service) in routes {
        let mut node = &mut root;
        for segment in route.split('/') {
            node = node.below.entry(segment.to_owned()).or_default();
        }
        node.here.insert(service);
    }
    let mut found = BTreeMap::new();
    root.patterns("/api", &mut found)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_gets_the_highest_path_that_is_its_own() {
        let routes = [
            ("docs", Service::Ops),
            ("v1/products", Service::Shop),
            ("v1/products/{id}", Service::Shop),
            ("v1/admin/users/{id}", Service::Accounts),
            ("v1/admin/{id}", Service::Voice),
            ("v1/admin/caches", Service::Ops),
        ];
        let found = patterns(routes).unwrap();
        assert_eq!(found[&Service::Shop], ["/api/v1/products", "/api/v1/products/*"]);
        assert_eq!(found[&Service::Accounts], ["/api/v1/admin/users/*"]);
        assert_eq!(found[&Service::Voice], ["/api/v1/admin/*"]);
        assert_eq!(found[&Service::Ops], ["/api/docs", "/api/v1/admin/caches"]);
    }

    #[test]
    fn what_only_a_parameter_parts_is_refused() {
        let routes = [("v1/users/{id}/cart", Service::Shop), ("v1/users/{id}/role", Service::Accounts)];
        assert_eq!(patterns(routes).unwrap_err().path, "/api/v1/users/{id}");
        let same = [("v1/things", Service::Shop), ("v1/things", Service::Voice)];
        assert_eq!(patterns(same).unwrap_err().path, "/api/v1/things");
    }
}
