//! Stage: OpportunityStage.

use unicrm_core::{FieldRule, NormalForm, ObjectKind, ObjectMapping, RemoteField, Stage};

use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::wire::{Wrong, wire};
use super::write::kept;

/// How stages map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Stage,
    remote_objects: &["OpportunityStage"],
    fields: &[
        FieldRule::read("id", &["ApiName"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["ApiName"])
            .note("an opportunity knows nothing else of its stage; the row's Id is a remote field"),
        FieldRule::read("name", &["MasterLabel"]).normal(&[NormalForm::Trimmed]),
        FieldRule::read("remote_fields", &[]).note("all other fields that this user sees"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::{create, cx, patch, read, refused, update};
    use crate::read::source::Source;

    #[test]
    fn a_stage_is_known_by_its_name() {
        let stage: Stage =
            read(Source::Stage, r#"{"ApiName":"Closed Won","MasterLabel":"Won","Id":"01J6g00000CYNqKAAX"}"#);
        assert_eq!(
            stage.id,
            Some(unicrm_core::Id::compute(crate::objects::tests::linked_account(), "Closed Won"))
        );
        let expected = "expected the stage's name, which opportunities hold".to_owned();
        assert_eq!(refused(Source::Stage, r#"{"ApiName":null}"#), (Some("ApiName"), expected));
        assert_eq!(refused(Source::Stage, r#"{"ApiName":"a","MasterLabel":1}"#).0, Some("MasterLabel"));
    }

    #[test]
    fn stages_are_not_written() {
        let stage: Stage = read(Source::Stage, r#"{"ApiName":"Closed Won"}"#);
        let named: unicrm_core::StagePatch = patch(r#"{"name":"Lost"}"#);
        let lines = "/name read_only: this is only read: it is not written\n";
        assert_eq!(update(stage, named.clone(), &cx()), lines);
        assert_eq!(create(named, &cx()), lines);
    }
}
