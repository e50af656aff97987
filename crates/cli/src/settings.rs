//! The configuration of a linked account, as JSON for its plugin.

use std::collections::BTreeMap;

use unicrm_core::{AuthFlow, Json, ProviderInfo, from_json};

use crate::errors::{Failure, Result};

/// The sign-in flow of this name.
pub(crate) fn flow(info: &'static ProviderInfo, name: &str) -> Result<&'static AuthFlow> {
    info.auth_flow(name).ok_or_else(|| {
        let names: Vec<_> = info.auth_flows.iter().map(|flow| flow.name).collect();
        Failure::usage(format!("{} has no sign-in flow {name:?}; it has {}", info.name, names.join(", ")))
    })
}

/// The configuration for a flow, from what was given by option and as JSON. A setting that the flow requires and that is
/// missing is an error.
pub(crate) fn config(
    flow: &AuthFlow,
    given: &[(&str, Option<&str>)],
    allow_hosts: &[String],
    more: Option<&str>,
) -> Result<Json> {
    let more: BTreeMap<String, Json> = match more {
        Some(text) => from_json(text).map_err(|error| {
            Failure::usage(format!("--config is not a JSON object: {error}"))
                .advice("write it as {\"KEY\": VALUE}")
        })?,
        None => BTreeMap::new(),
    };
    let mut config = more;
    let options = given.iter().filter_map(|(name, value)| value.map(|value| (*name, Json::text(value))));
    let hosts = (!allow_hosts.is_empty()).then(|| ("allow_hosts", Json::of(&allow_hosts)));
    for (name, value) in options.chain(hosts).chain([("flow", Json::text(flow.name))]) {
        if config.insert(name.to_owned(), value).is_some() {
            return Err(Failure::usage(format!("{name} is given twice: by its option and in --config")));
        }
    }
    for setting in flow.settings.iter().filter(|setting| setting.required) {
        if !config.contains_key(setting.name) {
            let option = setting.name.replace('_', "-");
            return Err(Failure::usage(format!("--{option} is missing: {}", setting.description)));
        }
    }
    Ok(Json::of(&config))
}

#[cfg(test)]
mod tests {
    use unicrm_core::{Interaction, Setting};

    use super::*;

    const FLOW: AuthFlow = AuthFlow {
        name: "client-credentials",
        description: "",
        interaction: Interaction::None,
        settings: &[
            Setting { name: "client_id", description: "the consumer key", required: true },
            Setting { name: "login_url", description: "where", required: false },
        ],
        secrets: &[],
    };

    #[test]
    fn what_is_given_is_in_the_configuration_and_nothing_else() {
        let given = [("client_id", Some("3MVG\"9")), ("login_url", None)];
        let json = config(&FLOW, &given, &["crm.example.org".to_owned()], Some(r#"{"x":{"y":1}}"#))
            .expect("complete");
        assert_eq!(
            json.as_str(),
            r#"{"allow_hosts":["crm.example.org"],"client_id":"3MVG\"9","flow":"client-credentials","x":{"y":1}}"#
        );
    }

    #[test]
    fn a_missing_setting_is_named_as_it_is_typed() {
        let failure = config(&FLOW, &[("client_id", None)], &[], None).expect_err("incomplete");
        assert!(format!("{failure:?}").contains("--client-id is missing: the consumer key"));
        assert!(config(&FLOW, &[("client_id", None)], &[], Some(r#"{"client_id":"3MVG9"}"#)).is_ok());
    }

    #[test]
    fn what_is_said_twice_or_is_no_object_is_refused() {
        let given = [("client_id", Some("3MVG9"))];
        for more in [r#"{"client_id":"x"}"#, r#"{"flow":"x"}"#, "[]", "x"] {
            assert!(config(&FLOW, &given, &[], Some(more)).is_err(), "{more}");
        }
    }
}
