//! The table of an sObject: one column per field that is stored.

use crate::schema::{FieldSchema, FieldType, ObjectSchema};

/// References that hardly ever select rows: an index on them would cost more than it gives.
const UNINDEXED: [&str; 5] =
    ["CreatedById", "LastModifiedById", "RecordTypeId", "MasterRecordId", "IndividualId"];

/// Statements that make an object's table and its indexes.
pub(crate) fn create_table_sql(object: &ObjectSchema) -> String {
    let table = quote(&object.name);
    let mut sql = format!("CREATE TABLE {table} (\"_rowid\" INTEGER PRIMARY KEY");
    for field in object.fields.iter().filter(|field| is_stored(field)) {
        sql.push_str(", ");
        sql.push_str(&column(field));
    }
    sql.push_str(");\n");
    if object.field("SystemModstamp").is_some() {
        let index = quote(&format!("{}:SystemModstamp", object.name));
        sql.push_str(&format!("CREATE INDEX {index} ON {table} (\"SystemModstamp\", \"Id\");\n"));
    }
    for field in object.fields.iter().filter(|field| is_indexed(field)) {
        sql.push_str(&index_sql(object, field));
    }
    sql
}

/// Statements that add a field to an existing table.
pub(crate) fn add_column_sql(object: &ObjectSchema, field: &FieldSchema) -> String {
    let mut sql = format!("ALTER TABLE {} ADD COLUMN {};\n", quote(&object.name), column(field));
    if is_indexed(field) {
        sql.push_str(&index_sql(object, field));
    }
    sql
}

/// Statements that take a field out of its table, with its data.
pub(crate) fn drop_column_sql(object: &ObjectSchema, field: &FieldSchema) -> String {
    let index = quote(&format!("{}:{}", object.name, field.name));
    format!(
        "DROP INDEX IF EXISTS {index};\nALTER TABLE {} DROP COLUMN {};\n",
        quote(&object.name),
        quote(&field.name)
    )
}

/// Whether a field has a column: compound fields are put together from their parts.
pub(crate) fn is_stored(field: &FieldSchema) -> bool {
    !field.ty.is_compound()
}

/// A name in double quotes. Names come from the schema, yet a quote in one must not end it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a column's text compares without regard to case.
pub(crate) fn is_folded(field: &FieldSchema) -> bool {
    field.ty.is_text() && !field.case_sensitive
}

fn column(field: &FieldSchema) -> String {
    let name = quote(&field.name);
    match field.ty {
        FieldType::Boolean => format!("{name} INTEGER NOT NULL DEFAULT 0"),
        FieldType::Int
        | FieldType::Double
        | FieldType::Currency
        | FieldType::Percent
        | FieldType::DateTime
        | FieldType::Time => format!("{name} INTEGER"),
        _ if is_folded(field) => format!("{name} TEXT COLLATE SOQL"),
        _ => format!("{name} TEXT"),
    }
}

fn is_indexed(field: &FieldSchema) -> bool {
    let reference = field.ty == FieldType::Reference && !UNINDEXED.contains(&field.name.as_str());
    is_stored(field)
        && (reference || field.ty == FieldType::Id || field.id_lookup || field.external_id || field.unique)
}

fn index_sql(object: &ObjectSchema, field: &FieldSchema) -> String {
    let unique = if field.ty == FieldType::Id { "UNIQUE " } else { "" };
    let index = quote(&format!("{}:{}", object.name, field.name));
    format!("CREATE {unique}INDEX {index} ON {} ({});\n", quote(&object.name), quote(&field.name))
}
