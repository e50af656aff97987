//! `/limits/recordCount`: how many records objects have.

use serde_json::{Value, json};

use super::call::Call;
use super::message::{Answer, ApiResponse};
use crate::org::storage;

/// Counts of the objects that `sObjects` names, or of all; names that are none are left out.
pub(crate) fn record_count(call: &Call<'_>) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    let schema = call.server.org.schema();
    let visibility = call.server.org.visibility();
    let names: Option<Vec<&str>> =
        call.request.param("sObjects").map(|list| list.split(',').map(str::trim).collect());
    let wanted = |name: &str| {
        names.as_ref().is_none_or(|names| names.iter().any(|one| one.eq_ignore_ascii_case(name)))
    };
    let objects = schema.objects().filter(|object| {
        object.queryable && object.name != "Name" && visibility.can_read(&object.name) && wanted(&object.name)
    });
    let mut counts: Vec<Value> = Vec::new();
    for object in objects {
        let live = if object.field("IsDeleted").is_some() { " WHERE \"IsDeleted\"=0" } else { "" };
        let sql = format!("SELECT COUNT(*) FROM \"{}\"{live}", object.name);
        let count: i64 = call.read(|conn| conn.query_row(&sql, [], |row| row.get(0)).map_err(storage))?;
        counts.push(json!({ "count": count, "name": object.name }));
    }
    Ok(ApiResponse::json(200, &json!({ "sObjects": counts })))
}
