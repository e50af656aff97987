//! The configuration of a linked account, as JSON for its plugin.

use std::collections::BTreeMap;

use unicrm_core::{AuthFlow, Json, ProviderInfo};

use crate::errors::{Failure, Result};

/// The sign-in flow of this name.
pub(crate) fn flow(info: &'static ProviderInfo, name: &str) -> Result<&'static AuthFlow> {
    info.auth_flow(name).ok_or_else(|| {
        let names: Vec<_> = info.auth_flows.iter().map(|flow| flow.name).collect();
        Failure::usage(format!("{} has no sign-in flow {name:?}; it has {}", info.name, names.join(", ")))
    })
}

/// The configuration for a flow, from what was given. A setting that the flow requires and that is missing is an error.
pub(crate) fn config(
    flow: &AuthFlow,
    given: &[(&str, Option<&str>)],
    allow_hosts: &[String],
) -> Result<Json> {
    for setting in flow.settings.iter().filter(|setting| setting.required) {
        let is_given = given.iter().any(|(name, value)| *name == setting.name && value.is_some());
        if !is_given {
            let option = setting.name.replace('_', "-");
            return Err(Failure::usage(format!("--{option} is missing: {}", setting.description)));
        }
    }
    let mut config: BTreeMap<&str, Json> =
        given.iter().filter_map(|(name, value)| value.map(|value| (*name, Json::text(value)))).collect();
    config.insert("flow", Json::text(flow.name));
    if !allow_hosts.is_empty() {
        config.insert("allow_hosts", Json::of(&allow_hosts));
    }
    Ok(Json::of(&config))
}

#[cfg(test)]
mod tests {
    use unicrm_core::Setting;

    use super::*;

    const FLOW: AuthFlow = AuthFlow {
        name: "client-credentials",
        description: "",
        settings: &[
            Setting { name: "client_id", description: "the consumer key", required: true },
            Setting { name: "login_url", description: "where", required: false },
        ],
        secrets: &[],
    };

    #[test]
    fn what_is_given_is_in_the_configuration_and_nothing_else() {
        let given = [("client_id", Some("3MVG\"9")), ("login_url", None)];
        let json = config(&FLOW, &given, &["crm.example.org".to_owned()]).expect("complete");
        assert_eq!(
            json.as_str(),
            r#"{"allow_hosts":["crm.example.org"],"client_id":"3MVG\"9","flow":"client-credentials"}"#
        );
    }

    #[test]
    fn a_missing_setting_is_named_as_it_is_typed() {
        let failure = config(&FLOW, &[("client_id", None)], &[]).expect_err("incomplete");
        assert!(format!("{failure:?}").contains("--client-id is missing: the consumer key"));
    }
}
