//! What a record looks like in the answer, and the columns it is written from.

use std::sync::Arc;

use super::plan::RowPlan;
use super::wire::{self, Wire};

/// A record: its type, its id and its members in the order of the select list.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) kind: Entity,
    /// Column of the id; null there means that there is no record.
    pub(crate) id: usize,
    pub(crate) items: Vec<Item>,
}

/// What `attributes` says a record is.
#[derive(Clone, Debug)]
pub(crate) enum Entity {
    /// A record of this object.
    Object(String),
    /// A polymorphic parent: its type reads `Name`, its address is that of the object that the id's prefix tells.
    Name(Vec<(String, String)>),
}

/// A member of a record. Keys are written with quotes and colon already.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Value {
        key: Vec<u8>,
        column: usize,
        wire: Wire,
    },
    /// A file: the address where its content can be fetched.
    Blob {
        key: Vec<u8>,
        column: usize,
        path: (String, String),
    },
    /// A compound value, null when all parts are.
    Compound {
        key: Vec<u8>,
        parts: Vec<(Vec<u8>, usize, Wire)>,
    },
    Parent {
        key: Vec<u8>,
        shape: Shape,
    },
    /// A polymorphic parent by its type: prefix and shape.
    TypeOf {
        key: Vec<u8>,
        id: usize,
        branches: Vec<(String, Shape)>,
        otherwise: Shape,
    },
    /// Children: the number of the plan among the children of the row plan.
    Children {
        key: Vec<u8>,
        child: usize,
    },
}

impl Item {
    /// The member's key.
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Value { key, .. }
            | Self::Blob { key, .. }
            | Self::Compound { key, .. }
            | Self::Parent { key, .. }
            | Self::TypeOf { key, .. }
            | Self::Children { key, .. } => key,
        }
    }
}

/// `"Name":`
pub(crate) fn key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 3);
    wire::string(name, &mut key);
    key.push(b':');
    key
}

/// The columns of a select list, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns(pub(crate) Vec<String>);

impl Columns {
    /// The number of the column with this SQL.
    pub(crate) fn add(&mut self, sql: impl Into<String>) -> usize {
        let sql = sql.into();
        self.0.iter().position(|known| *known == sql).unwrap_or_else(|| {
            self.0.push(sql);
            self.0.len() - 1
        })
    }
}

/// Everything that a select list gives.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) shape: Shape,
    pub(crate) columns: Columns,
    pub(crate) children: Vec<Arc<RowPlan>>,
}
