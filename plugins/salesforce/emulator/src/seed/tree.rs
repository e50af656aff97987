//! Loader of record trees as `sf data export tree` writes them: a plan with its files, or record files alone.

mod infer;
mod read;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::SalesforceError;
use crate::schema::{FieldSchema, FieldType, ObjectSchema, Schema};
use read::Node;

/// Where loaded records go: the org's own insert, so that defaults and derived fields apply.
pub(crate) trait RecordSink {
    /// The org's schema as it is now.
    fn schema(&self) -> Arc<Schema>;
    /// Adds a custom object that the records need.
    ///
    /// # Errors
    /// When the org refuses it.
    fn add_object(&mut self, object: ObjectSchema) -> Result<(), SalesforceError>;
    /// Adds a custom field that the records need.
    ///
    /// # Errors
    /// When the org refuses it.
    fn add_field(&mut self, object: &str, field: FieldSchema) -> Result<(), SalesforceError>;
    /// Inserts a record and gives its id. Numbers come as they are written, to the last digit.
    ///
    /// # Errors
    /// When the org refuses it.
    fn insert(
        &mut self,
        object: &str,
        fields: Vec<(String, Box<RawValue>)>,
    ) -> Result<String, SalesforceError>;
}

/// What a folder brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Records by object.
    pub records: BTreeMap<String, u64>,
    /// Custom objects that were added to the schema.
    pub objects_added: Vec<String>,
    /// Custom fields that were added, as `Object.Field__c`.
    pub fields_added: Vec<String>,
}

/// Why a folder does not load, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}: {why}", file.display(), at(record.as_deref(), "record"), at(field.as_deref(), "field"))]
pub struct TreeError {
    /// The file at fault.
    pub file: PathBuf,
    /// Its record, by reference id or number.
    pub record: Option<String>,
    /// The field of the record.
    pub field: Option<String>,
    /// The reason.
    pub why: String,
}

fn at(place: Option<&str>, kind: &str) -> String {
    place.map(|place| format!(", {kind} {place}")).unwrap_or_default()
}

impl TreeError {
    fn file(file: &Path, why: impl std::fmt::Display) -> Self {
        Self { file: file.to_owned(), record: None, field: None, why: why.to_string() }
    }

    fn record(file: &Path, node: &Node, why: impl std::fmt::Display) -> Self {
        Self { record: Some(node.label.clone()), ..Self::file(file, why) }
    }

    fn field(file: &Path, node: &Node, field: &str, why: impl std::fmt::Display) -> Self {
        Self { field: Some(field.to_owned()), ..Self::record(file, node, why) }
    }
}

/// Most files that a folder may name.
const MAX_FILES: usize = 1_000;

/// One file with its records, in the order in which they go in.
struct Tree {
    path: PathBuf,
    nodes: Vec<Node>,
}

/// Loads a folder: by its plans (`*-plan.json`) where it has any, else every record file in the order that their
/// references ask for.
///
/// # Errors
/// When a file cannot be read, names something that the schema does not have, or the org refuses a record.
pub(crate) fn load_folder(folder: &Path, sink: &mut dyn RecordSink) -> Result<Loaded, TreeError> {
    let mut plans = Vec::new();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| TreeError::file(folder, e))? {
        let path = entry.map_err(|e| TreeError::file(folder, e))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.ends_with("plan.json") {
            plans.push(path);
        } else if name.ends_with(".json") {
            files.push(path);
        }
        if plans.len() + files.len() > MAX_FILES {
            return Err(TreeError::file(folder, format!("more than {MAX_FILES} files; load them in parts")));
        }
    }
    plans.sort();
    files.sort();
    let trees = if plans.is_empty() { by_references(folder, &files)? } else { by_plans(folder, &plans)? };
    load(&trees, sink)
}

fn by_plans(folder: &Path, plans: &[PathBuf]) -> Result<Vec<Tree>, TreeError> {
    let mut trees = Vec::new();
    for plan in plans {
        for step in read::plan(plan)? {
            for name in step.files {
                let inside =
                    Path::new(&name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
                if !inside {
                    return Err(TreeError::file(plan, format!("file {name:?} is outside the plan's folder")));
                }
                if trees.len() >= MAX_FILES {
                    return Err(TreeError::file(plan, format!("more than {MAX_FILES} files")));
                }
                let path = folder.join(&name);
                let nodes = read::records(&path)?;
                if let Some(odd) = nodes.iter().find(|n| !n.object.eq_ignore_ascii_case(&step.sobject)) {
                    let why = format!("the plan says {}, the record says {}", step.sobject, odd.object);
                    return Err(TreeError::record(&path, odd, why));
                }
                trees.push(Tree { path, nodes });
            }
        }
    }
    Ok(trees)
}

/// Files whose references are all defined in earlier files (or in themselves) come first.
fn by_references(folder: &Path, files: &[PathBuf]) -> Result<Vec<Tree>, TreeError> {
    let mut waiting = Vec::new();
    for path in files {
        waiting.push(Tree { path: path.clone(), nodes: read::records(path)? });
    }
    if waiting.is_empty() {
        return Err(TreeError::file(folder, "no plan and no record file (*.json) in this folder"));
    }
    let mut known: HashSet<String> = HashSet::new();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|tree| {
            let own: HashSet<&str> = tree.nodes.iter().flat_map(Node::all_labels).collect();
            tree.nodes.iter().flat_map(Node::all_references).all(|r| known.contains(r) || own.contains(r))
        });
        let Some(ready) = ready else {
            let stuck: Vec<String> = waiting.iter().map(|t| t.path.display().to_string()).collect();
            let missing = waiting
                .iter()
                .flat_map(|t| t.nodes.iter().flat_map(Node::all_references))
                .find(|r| !known.contains(*r))
                .unwrap_or_default();
            let why = format!(
                "no order of {} satisfies their references; @{missing} is one of them",
                stuck.join(", ")
            );
            return Err(TreeError::file(folder, why));
        };
        let tree = waiting.remove(ready);
        known.extend(tree.nodes.iter().flat_map(Node::all_labels).map(str::to_owned));
        ordered.push(tree);
    }
    Ok(ordered)
}

fn load(trees: &[Tree], sink: &mut dyn RecordSink) -> Result<Loaded, TreeError> {
    let mut loader = Loader { sink, ids: HashMap::new(), loaded: Loaded::default() };
    loader.extend_schema(trees)?;
    for tree in trees {
        for node in &tree.nodes {
            loader.insert(&tree.path, node, None)?;
        }
    }
    Ok(loader.loaded)
}

/// The id behind a reference; none when two records of the folder have that name.
type Ids = HashMap<String, Option<String>>;

struct Loader<'a> {
    sink: &'a mut dyn RecordSink,
    ids: Ids,
    loaded: Loaded,
}

impl Loader<'_> {
    /// Adds the custom objects and fields that the records use, with types that all their values fit.
    fn extend_schema(&mut self, trees: &[Tree]) -> Result<(), TreeError> {
        let objects: HashMap<&str, &str> = trees
            .iter()
            .flat_map(|t| &t.nodes)
            .flat_map(Node::with_children)
            .map(|n| (n.label.as_str(), n.object.as_str()))
            .collect();
        let mut guesses: BTreeMap<(String, String), infer::Guess> = BTreeMap::new();
        for tree in trees {
            for node in tree.nodes.iter().flat_map(Node::with_children) {
                self.ensure_object(&tree.path, node)?;
                let schema = self.sink.schema();
                let Some(object) = schema.object(&node.object) else { continue };
                for (name, value) in &node.fields {
                    if object.field(name).is_some() {
                        continue;
                    }
                    if !name.to_ascii_lowercase().ends_with("__c") {
                        let why = format!("{} has no such field; custom fields end in __c", object.name);
                        return Err(TreeError::field(&tree.path, node, name, why));
                    }
                    let guess = guesses
                        .entry((object.name.clone(), name.to_ascii_lowercase()))
                        .or_insert_with(|| infer::Guess::new(name));
                    guess.see(value, |reference| objects.get(reference).copied());
                }
            }
        }
        for ((object, _), guess) in guesses {
            let field = guess.field();
            self.loaded.fields_added.push(format!("{object}.{}", field.name));
            let name = field.name.clone();
            self.sink
                .add_field(&object, field)
                .map_err(|e| TreeError::file(Path::new(&object), format!("custom field {name}: {e}")))?;
        }
        Ok(())
    }

    fn ensure_object(&mut self, path: &Path, node: &Node) -> Result<(), TreeError> {
        if self.sink.schema().object(&node.object).is_some() {
            return Ok(());
        }
        if !node.object.ends_with("__c") {
            let why = format!("sObject {} does not exist; custom objects end in __c", node.object);
            return Err(TreeError::record(path, node, why));
        }
        self.sink
            .add_object(ObjectSchema::custom(node.object.as_str()))
            .map_err(|e| TreeError::record(path, node, e))?;
        self.loaded.objects_added.push(node.object.clone());
        Ok(())
    }

    /// Inserts a record, then the children nested in it. `parent` is the reference field to it and its id.
    fn insert(&mut self, path: &Path, node: &Node, parent: Option<(&str, &str)>) -> Result<(), TreeError> {
        let schema = self.sink.schema();
        let object = schema.object(&node.object).ok_or_else(|| {
            TreeError::record(path, node, format!("sObject {} does not exist", node.object))
        })?;
        let mut fields = Vec::with_capacity(node.fields.len() + 1);
        for (name, value) in &node.fields {
            let field = object.field(name).ok_or_else(|| {
                TreeError::field(path, node, name, format!("{} has no such field", object.name))
            })?;
            let value = self.resolve(path, node, field, value)?;
            fields.push((field.name.clone(), value));
        }
        if let Some((field, id)) = parent {
            let id =
                RawValue::from_string(format!("\"{id}\"")).map_err(|e| TreeError::record(path, node, e))?;
            fields.push((field.to_owned(), id));
        }
        let id = self.sink.insert(&object.name, fields).map_err(|e| TreeError::record(path, node, e))?;
        *self.loaded.records.entry(object.name.clone()).or_default() += 1;
        let clash = self.ids.insert(node.label.clone(), Some(id.clone())).is_some();
        if clash {
            self.ids.insert(node.label.clone(), None);
        }
        for (relationship, children) in &node.children {
            for child in children {
                let field = child_field(&schema, object, relationship, child).ok_or_else(|| {
                    let why =
                        format!("{} has no child relationship of this name to {}", object.name, child.object);
                    TreeError::field(path, node, relationship, why)
                })?;
                self.insert(path, child, Some((&field, &id)))?;
            }
        }
        Ok(())
    }

    /// The value to insert: a reference becomes the id behind it, a time in a date field becomes its day.
    fn resolve(
        &self,
        path: &Path,
        node: &Node,
        field: &FieldSchema,
        value: &RawValue,
    ) -> Result<Box<RawValue>, TreeError> {
        let Some(text) = read::text(value) else { return Ok(value.to_owned()) };
        let new = match (field.ty, text.strip_prefix('@')) {
            (FieldType::Reference, Some(reference)) => match self.ids.get(reference) {
                Some(Some(id)) => id.clone(),
                Some(None) => {
                    let why = format!("@{reference} names several records of this folder");
                    return Err(TreeError::field(path, node, &field.name, why));
                }
                None => {
                    let why = format!("@{reference} names no record that was loaded before");
                    return Err(TreeError::field(path, node, &field.name, why));
                }
            },
            (FieldType::Date, _) if infer::is_timestamp(&text) => {
                text.get(..10).unwrap_or_default().to_owned()
            }
            _ => return Ok(value.to_owned()),
        };
        serde_json::value::to_raw_value(&new).map_err(|e| TreeError::field(path, node, &field.name, e))
    }
}

/// The field of the child that points to the parent.
fn child_field(schema: &Schema, parent: &ObjectSchema, relationship: &str, child: &Node) -> Option<String> {
    if let Some(found) = parent.child_relationship(relationship) {
        return found.child_object.eq_ignore_ascii_case(&child.object).then(|| found.field.clone());
    }
    // A custom relationship whose name the schema does not know: the child's only reference to the parent.
    let object = schema.object(&child.object)?;
    let mut references = object.fields.iter().filter(|f| f.custom && f.refers_to(&parent.name));
    let first = references.next()?;
    references.next().is_none().then(|| first.name.clone())
}
