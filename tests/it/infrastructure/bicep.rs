//! Bicep, as far as the checks need it: the syntax tree of a template, and what it declares.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Parser;

/// A node of the syntax tree, without punctuation and comments.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: &'static str,
    pub text: String,
    pub line: usize,
    pub children: Vec<Node>,
}

/// A template and its declarations.
pub struct Template {
    pub path: String,
    pub tree: Node,
    /// Parameters, and whether each must be given.
    pub parameters: BTreeMap<String, bool>,
    pub variables: BTreeMap<String, Node>,
    pub outputs: BTreeSet<String>,
    pub resources: Vec<Resource>,
    pub modules: Vec<Module>,
}

pub struct Resource {
    pub symbol: String,
    /// Type and API version.
    pub kind: String,
    /// Only referred to.
    pub existing: bool,
    pub body: Node,
}

pub struct Module {
    pub symbol: String,
    pub path: String,
    pub line: usize,
    pub body: Node,
}

impl Node {
    /// Parses a template.
    ///
    /// # Errors
    /// Each place that is not Bicep.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<String>> {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_bicep::LANGUAGE.into()).unwrap();
        let tree = parser.parse(text, None).unwrap();
        let mut wrong = Vec::new();
        let node = Self::of(tree.root_node(), text, path, &mut wrong);
        if wrong.is_empty() { Ok(node) } else { Err(wrong) }
    }

    fn of(node: tree_sitter::Node<'_>, source: &str, path: &str, wrong: &mut Vec<String>) -> Self {
        let line = node.start_position().row + 1;
        let text = source[node.byte_range()].to_owned();
        if node.is_error() || node.is_missing() {
            wrong.push(format!("{path}:{line}: not Bicep: {}", text.lines().next().unwrap_or_default()));
        }
        let mut cursor = node.walk();
        let children = node
            .children(&mut cursor)
            .filter(|child| child.has_error() || child.is_missing() || child.is_named() && child.kind() != "comment");
        let children = children.collect::<Vec<_>>().into_iter().map(|it| Self::of(it, source, path, wrong)).collect();
        Self { kind: node.kind(), text, line, children }
    }

    /// The text of a string without interpolation.
    pub fn literal(&self) -> Option<String> {
        let plain = self.kind == "string" && self.children.iter().all(|child| child.kind == "string_content");
        plain.then(|| self.children.iter().map(|child| child.text.as_str()).collect())
    }

    /// The name and value of each property of an object; `None` for a name that is computed.
    pub fn properties(&self) -> Vec<(Option<String>, &Node)> {
        let properties = self.children.iter().filter(|child| child.kind == "object_property");
        properties
            .filter_map(|property| {
                let (name, value) = (property.children.first()?, property.children.last()?);
                let name = if name.kind == "string" { name.literal() } else { Some(name.text.clone()) };
                Some((name, value))
            })
            .collect()
    }

    pub fn property(&self, name: &str) -> Option<&Node> {
        self.properties().into_iter().find(|(found, _)| found.as_deref() == Some(name)).map(|(_, value)| value)
    }

    /// This node and all below it.
    pub fn walk(&self) -> Vec<&Node> {
        let mut found = vec![self];
        let mut next = 0;
        while next < found.len() {
            found.extend(&found[next].children);
            next += 1;
        }
        found
    }

    /// The object that a declaration ends in, within its loops and conditions.
    fn declared(&self) -> &Node {
        match self.kind {
            "for_statement" | "if_statement" => self.children.last().map_or(self, Node::declared),
            _ => self,
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// As [`Node::parse`].
    pub fn read(path: &str, text: &str) -> Result<Self, Vec<String>> {
        let tree = Node::parse(path, text)?;
        let mut template = Self {
            path: path.to_owned(),
            tree: tree.clone(),
            parameters: BTreeMap::new(),
            variables: BTreeMap::new(),
            outputs: BTreeSet::new(),
            resources: Vec::new(),
            modules: Vec::new(),
        };
        for node in &tree.children {
            let Some(name) = node.children.first().map(|name| name.text.clone()) else { continue };
            let last = node.children.last().map(Node::declared);
            match (node.kind, last) {
                ("parameter_declaration", Some(last)) => {
                    template.parameters.insert(name, last.kind == "type");
                }
                ("variable_declaration", Some(_)) => {
                    template.variables.extend(node.children.last().map(|value| (name, value.clone())));
                }
                ("output_declaration", _) => {
                    template.outputs.insert(name);
                }
                ("resource_declaration", Some(body)) => template.resources.push(Resource {
                    symbol: name,
                    kind: node.children[1].literal().unwrap_or_default(),
                    existing: node.text.split(['{', '[']).next().is_some_and(|head| head.contains(" existing ")),
                    body: body.clone(),
                }),
                ("module_declaration", Some(body)) => template.modules.push(Module {
                    symbol: name,
                    path: node.children[1].literal().unwrap_or_default(),
                    line: node.line,
                    body: body.clone(),
                }),
                _ => {}
            }
        }
        Ok(template)
    }

    /// What a value is once a name of a variable is replaced by what it stands for.
    pub fn resolved<'a>(&'a self, node: &'a Node) -> &'a Node {
        match node.kind {
            "identifier" => self.variables.get(&node.text).map_or(node, |value| self.resolved(value)),
            "parenthesized_expression" => node.children.first().map_or(node, |inner| self.resolved(inner)),
            _ => node,
        }
    }

    /// The paths of all properties that a resource sets; what a loop or a list repeats is `[]`.
    pub fn property_paths(&self, resource: &Resource) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (name, value) in resource.body.properties() {
            let Some(name) = name.filter(|name| !["parent", "dependsOn", "scope"].contains(&name.as_str())) else {
                continue;
            };
            self.paths(&name, value, &mut found);
            found.insert(name);
        }
        found
    }

    fn paths(&self, path: &str, node: &Node, found: &mut BTreeSet<String>) {
        let node = self.resolved(node);
        let last = |node: &Node, path: String, found: &mut BTreeSet<String>| {
            if let Some(inner) = node.children.last() {
                self.paths(&path, inner, found);
            }
        };
        match node.kind {
            "if_statement" => last(node, path.to_owned(), found),
            "for_statement" => last(node, format!("{path}[]"), found),
            "ternary_expression" => node.children.iter().skip(1).for_each(|child| self.paths(path, child, found)),
            "array" => node.children.iter().for_each(|child| self.paths(&format!("{path}[]"), child, found)),
            "call_expression" if node.children[0].text == "map" => {
                let lambda = node.children[1].children.last();
                lambda.into_iter().for_each(|lambda| last(lambda, format!("{path}[]"), found));
            }
            "object" => {
                for (name, value) in node.properties() {
                    let name = name.unwrap_or_else(|| "*".to_owned());
                    let below = format!("{path}.{name}");
                    self.paths(&below, value, found);
                    found.insert(below);
                }
            }
            _ => {}
        }
    }
}
