//! The Salesforce plugin of unicrm.
