//! Rendering of `/sobjects`, `/sobjects/X` and `/sobjects/X/describe`, as far as one user may see them.

use serde_json::{Map, Value, json};

use super::field::{DefaultValue, FieldSchema, FieldType, PicklistValue};
use super::object::ObjectSchema;
use super::{Schema, Visibility};

/// Who asks, through which version of the API, of which host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Describer<'a> {
    /// The org's objects.
    pub schema: &'a Schema,
    /// What the user may see.
    pub visibility: &'a Visibility,
    /// Version of the request without the `v`, such as `66.0`.
    pub version: &'a str,
    /// Address of the instance, without a slash at the end.
    pub instance_url: &'a str,
}

/// Record type of objects that have no other.
const MASTER_RECORD_TYPE: &str = "012000000000000AAA";

/// Attributes of fields that no field of this org has.
const ALWAYS_FALSE: [&str; 8] = [
    "aiPredictionField",
    "cascadeDelete",
    "deprecatedAndHidden",
    "displayLocationInDecimal",
    "formulaTreatNullNumberAsZero",
    "highScaleNumber",
    "restrictedDelete",
    "writeRequiresMasterRead",
];
const ALWAYS_NULL: [&str; 7] = [
    "calculatedFormula",
    "defaultValueFormula",
    "filteredLookupInfo",
    "mask",
    "maskType",
    "referenceTargetField",
    "relationshipOrder",
];

impl Describer<'_> {
    /// Body of `/sobjects`.
    #[must_use]
    pub(crate) fn global(&self) -> Value {
        let objects: Vec<Value> = self
            .schema
            .objects()
            .filter(|o| self.visibility.can_read(&o.name))
            .map(|o| self.summary(o))
            .collect();
        json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects })
    }

    /// Body of `/sobjects/X`, with the records that the user saw last; none when the user does not see the object.
    #[must_use]
    pub(crate) fn basics(&self, object: &str, recent_items: &[Value]) -> Option<Value> {
        let object = self.visible(object)?;
        Some(json!({ "objectDescribe": self.summary(object), "recentItems": recent_items }))
    }

    /// Body of `/sobjects/X/describe`; none when the user does not see the object.
    #[must_use]
    pub(crate) fn object(&self, object: &str) -> Option<Value> {
        let object = self.visible(object)?;
        let Value::Object(mut body) = self.summary(object) else { return None };
        let fields: Vec<Value> = object
            .fields
            .iter()
            .filter(|f| self.visibility.can_see(&object.name, &f.name))
            .map(|f| self.field(object, f))
            .collect();
        let rest = json!({
            "actionOverrides": [],
            "childRelationships": self.children(object),
            "compactLayoutable": object.compact_layoutable,
            "defaultImplementation": null,
            "extendedBy": null,
            "extendsInterfaces": null,
            "fields": fields,
            "implementedBy": null,
            "implementsInterfaces": null,
            "listviewable": null,
            "lookupLayoutable": null,
            "namedLayoutInfos": [],
            "networkScopeFieldName": null,
            "recordTypeInfos": self.record_types(object),
            "searchLayoutable": object.search_layoutable,
            "sobjectDescribeOption": "FULL",
            "supportedScopes": scopes(object),
        });
        if let Value::Object(rest) = rest {
            body.extend(rest);
        }
        Some(Value::Object(body))
    }

    fn visible(&self, object: &str) -> Option<&ObjectSchema> {
        self.schema.object(object).filter(|o| self.visibility.can_read(&o.name))
    }

    fn summary(&self, object: &ObjectSchema) -> Value {
        let access = self.visibility.object(&object.name);
        json!({
            "activateable": false,
            "associateEntityType": null,
            "associateParentEntity": null,
            "createable": object.createable && access.create,
            "custom": object.custom,
            "customSetting": false,
            "deepCloneable": object.deep_cloneable,
            "deletable": object.deletable && access.delete,
            "deprecatedAndHidden": false,
            "feedEnabled": object.feed_enabled,
            "hasSubtypes": false,
            "isInterface": false,
            "isSubtype": false,
            "keyPrefix": object.key_prefix,
            "label": object.label,
            "labelPlural": object.label_plural,
            "layoutable": object.layoutable,
            "mergeable": object.mergeable,
            "mruEnabled": object.mru_enabled,
            "name": object.name,
            "queryable": object.queryable,
            "replicateable": object.replicateable,
            "retrieveable": object.retrieveable,
            "searchable": object.searchable,
            "triggerable": object.triggerable,
            "undeletable": object.undeletable && access.delete,
            "updateable": object.updateable && access.edit,
            "urls": self.urls(object),
        })
    }

    fn base(&self, object: &ObjectSchema) -> String {
        format!("/services/data/v{}/sobjects/{}", self.version, object.name)
    }

    fn urls(&self, object: &ObjectSchema) -> Value {
        let base = self.base(object);
        let mut urls = Map::new();
        let mut add = |key: &str, value: String| urls.insert(key.to_owned(), Value::String(value));
        add("sobject", base.clone());
        add("describe", format!("{base}/describe"));
        add("rowTemplate", format!("{base}/{{ID}}"));
        if object.layoutable {
            let ui = self.instance_url;
            let prefix = object.key_prefix.as_deref().unwrap_or_default();
            for (key, path) in [
                ("compactLayouts", "/describe/compactLayouts"),
                ("approvalLayouts", "/describe/approvalLayouts"),
                ("layouts", "/describe/layouts"),
                ("listviews", "/listviews"),
                ("quickActions", "/quickActions"),
                ("defaultValues", "/defaultValues?recordTypeId&fields"),
            ] {
                add(key, format!("{base}{path}"));
            }
            add("uiDetailTemplate", format!("{ui}/{{ID}}"));
            add("uiEditTemplate", format!("{ui}/{{ID}}/e"));
            add("uiNewRecord", format!("{ui}/{prefix}/e"));
            if object.name == "Event" {
                add("eventSeriesUpdates", format!("{base}/{{ID}}/fromThisEventOnwards"));
            }
        }
        Value::Object(urls)
    }

    fn children(&self, object: &ObjectSchema) -> Vec<Value> {
        object
            .child_relationships
            .iter()
            .filter(|c| self.visibility.can_see(&c.child_object, &c.field))
            .map(|c| {
                json!({
                    "cascadeDelete": c.cascade_delete,
                    "childSObject": c.child_object,
                    "deprecatedAndHidden": false,
                    "field": c.field,
                    "junctionIdListNames": [],
                    "junctionReferenceTo": [],
                    "relationshipName": c.relationship_name,
                    "restrictedDelete": c.restricted_delete,
                })
            })
            .collect()
    }

    fn record_types(&self, object: &ObjectSchema) -> Vec<Value> {
        if !object.layoutable {
            return Vec::new();
        }
        let info = |id: &str, name: &str, developer: &str, active: bool, default: bool| {
            json!({
                "active": active,
                "available": active,
                "defaultRecordTypeMapping": default,
                "developerName": developer,
                "master": id == MASTER_RECORD_TYPE,
                "name": name,
                "recordTypeId": id,
                "urls": { "layout": format!("{}/describe/layouts/{id}", self.base(object)) },
            })
        };
        let mut infos: Vec<Value> = object
            .record_types
            .iter()
            .map(|r| info(&r.id, &r.name, &r.developer_name, r.active, r.default))
            .collect();
        let master_is_default = !object.record_types.iter().any(|r| r.default);
        infos.push(info(MASTER_RECORD_TYPE, "Master", "Master", true, master_is_default));
        infos
    }

    fn field(&self, object: &ObjectSchema, field: &FieldSchema) -> Value {
        let settable = self.visibility.can_set(&object.name, &field.name);
        let Value::Object(mut body) = json!({
            "aggregatable": field.aggregatable,
            "autoNumber": field.auto_number,
            "byteLength": field.byte_length,
            "calculated": field.calculated,
            "caseSensitive": field.case_sensitive,
            "compoundFieldName": field.compound_field_name,
            "controllerName": field.controller_name,
            "createable": field.createable && settable,
            "custom": field.custom,
            "defaultValue": default_value(field),
            "defaultedOnCreate": field.defaulted_on_create,
            "dependentPicklist": field.dependent_picklist,
            "digits": field.digits,
            "encrypted": field.ty == FieldType::EncryptedString,
            "externalId": field.external_id,
            "extraTypeInfo": field.extra_type_info,
            "filterable": field.filterable,
            "groupable": field.groupable,
            "htmlFormatted": field.html_formatted,
            "idLookup": field.id_lookup,
            "inlineHelpText": field.inline_help_text,
        }) else {
            return Value::Null;
        };
        let rest = json!({
            "label": field.label,
            "length": field.length,
            "name": field.name,
            "nameField": field.name_field,
            "namePointing": field.name_pointing,
            "nillable": field.nillable,
            "permissionable": field.permissionable,
            "picklistValues": field.picklist.iter().map(picklist_value).collect::<Vec<_>>(),
            "polymorphicForeignKey": field.polymorphic_foreign_key,
            "precision": field.precision,
            "queryByDistance": field.ty.is_compound(),
            "referenceTo": field.reference_to,
            "relationshipName": field.relationship_name,
            "restrictedPicklist": field.restricted_picklist,
            "scale": field.scale,
            "searchPrefilterable": field.search_prefilterable,
            "soapType": field.ty.soap_type(),
            "sortable": field.sortable,
            "type": field.ty.name(),
            "unique": field.unique,
            "updateable": field.updateable && settable,
        });
        if let Value::Object(rest) = rest {
            body.extend(rest);
        }
        body.extend(ALWAYS_FALSE.iter().map(|key| ((*key).to_owned(), Value::Bool(false))));
        body.extend(ALWAYS_NULL.iter().map(|key| ((*key).to_owned(), Value::Null)));
        Value::Object(body)
    }
}

fn default_value(field: &FieldSchema) -> Value {
    match &field.default_value {
        None => Value::Null,
        Some(DefaultValue::Boolean(on)) => Value::Bool(*on),
        Some(DefaultValue::Text(text)) => Value::String(text.clone()),
    }
}

fn picklist_value(value: &PicklistValue) -> Value {
    json!({
        "active": value.active,
        "defaultValue": value.default_value,
        "label": value.label,
        "validFor": value.valid_for,
        "value": value.value,
    })
}

fn scopes(object: &ObjectSchema) -> Vec<Value> {
    let scope = |name: &str, label: &str| json!({ "name": name, "label": label });
    if !object.scopes.is_empty() {
        return object.scopes.iter().map(|(name, label)| scope(name, label)).collect();
    }
    let plural = object.label_plural.to_lowercase();
    let mut scopes = vec![scope("everything", &format!("All {plural}"))];
    if object.field("OwnerId").is_some() {
        scopes.push(scope("mine", &format!("My {plural}")));
    }
    scopes
}
