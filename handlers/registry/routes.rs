use std::collections::HashMap;

use http::Method;
use percent_encoding::percent_decode_str;

use super::{Registry, RegistryError};

/// What a path and a method lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Match {
    /// The function at this position of the registry, and the values of its route's parameters.
    Function {
        index: usize,
        params: Vec<(String, String)>,
    },
    /// The path exists, but not with this method; these are its methods, with `HEAD` and `OPTIONS`.
    Method {
        allowed: String,
    },
    None,
}

/// From paths below `/api/` to functions. A literal segment is taken before a parameter, whatever
/// the order of the rows.
pub struct RouteTable {
    paths: matchit::Router<HashMap<Method, usize>>,
}

impl RouteTable {
    /// # Errors
    /// [`RegistryError::Route`] when two rows have the same path and method, or a route is malformed or
    /// reserved for the host.
    pub fn new(registry: &Registry) -> Result<Self, RegistryError> {
        let mut rows: HashMap<String, HashMap<Method, usize>> = HashMap::new();
        for (index, function) in registry.functions().iter().enumerate() {
            let Some(http) = function.http_trigger() else { continue };
            let problem = |problem: String| RegistryError::Route { name: function.name.into(), problem };
            // The host keeps these for itself (ScriptHost's reserved routes).
            if http.route.starts_with("admin") || http.route.starts_with("runtime") || http.route.starts_with('/') {
                return Err(problem(format!(
                    "the route {} is reserved by the host or begins with a slash",
                    http.route
                )));
            }
            let methods = rows.entry(format!("/{}", http.route)).or_default();
            if methods.insert(http.method.clone(), index).is_some() {
                return Err(problem(format!("{} {} is taken by another function", http.method, http.route)));
            }
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in rows {
            paths
                .insert(path.clone(), methods)
                .map_err(|error| RegistryError::Route { name: path, problem: error.to_string() })?;
        }
        Ok(Self { paths })
    }

    /// Finds the function for a path with or without a slash at its end. `HEAD` goes where `GET` goes.
    pub fn find(&self, method: &Method, path: &str) -> Match {
        let Some(path) = path.strip_prefix("/api") else { return Match::None };
        let path = path.strip_suffix('/').unwrap_or(path);
        let Ok(found) = self.paths.at(path) else { return Match::None };
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let Some(&index) = found.value.get(wanted) else {
            return Match::Method { allowed: allowed(found.value) };
        };
        let mut params = Vec::with_capacity(found.params.len());
        for (name, value) in found.params.iter() {
            let Ok(value) = percent_decode_str(value).decode_utf8() else { return Match::None };
            params.push((name.to_owned(), value.into_owned()));
        }
        Match::Function { index, params }
    }
}

fn allowed(methods: &HashMap<Method, usize>) -> String {
    let mut names: Vec<&str> = methods.keys().map(Method::as_str).collect();
    if methods.contains_key(&Method::GET) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.join(", ")
}
