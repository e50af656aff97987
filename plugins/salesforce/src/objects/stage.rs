//! Stage: OpportunityStage.

use unicrm_core::{FieldMapping, NormalForm, ObjectKind, ObjectMapping, RemoteField, Stage};

use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::wire::{Wrong, wire};
use super::write::kept;

/// How stages map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Stage,
    remote_objects: &["OpportunityStage"],
    fields: &[
        FieldMapping::read("id", &["ApiName"]).note("computed from the remote id"),
        FieldMapping::read("remote_id", &["ApiName"])
            .note("an opportunity knows nothing else of its stage; the row's Id is a remote field"),
        FieldMapping::read("name", &["MasterLabel"]).normal(&[NormalForm::Trimmed]),
        FieldMapping::read("remote_fields", &[]).note("all other fields that this user sees"),
    ],
};

wire! {
    /// A row of OpportunityStage.
    struct StageRow {
        api_name: "ApiName",
        master_label: "MasterLabel",
        system_modstamp: "SystemModstamp" + keep,
    }
}

pub(super) fn from_remote(
    row: &StageRow<'_>,
    rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<Stage, Wrong> {
    let api_name =
        row.api_name.text()?.ok_or(row.api_name.wrong("the stage's name, which opportunities hold"))?;
    map.stamp(row.system_modstamp)?;
    let mut stage = Stage::default();
    stage.id = Some(map.id(&api_name));
    stage.remote_id = Some(api_name.into());
    stage.name = row.master_label.string()?;
    stage.remote_fields = rest;
    Ok(stage)
}

/// The remote record that a stage stands for.
pub(crate) fn encode(stage: &Stage) -> RemoteRecord {
    let mut remote = RemoteRecord { sobject: "OpportunityStage", ..RemoteRecord::default() };
    remote.set_text("ApiName", stage.remote_id.as_ref().and_then(|name| kept(name.as_str())));
    remote.set_text("MasterLabel", stage.name.as_deref().and_then(kept));
    remote.add_remote_fields(&stage.remote_fields);
    remote
}
