//! Shows a kubeconfig without its secrets. Pure.

use kcm_kubeconfig::{Kubeconfig, ReadError};
use schemars::JsonSchema;
use serde::Serialize;

use crate::artifact::view;
use crate::transport::public_kubeconfig;

/// A kubeconfig without its secrets.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct KubeconfigView {
    /// The file, as it was named.
    pub file: String,
    /// The kubeconfig in its own structure. Certificates are fingerprints, and secrets are SHA-256
    /// digests.
    pub kubeconfig: serde_json::Value,
    /// Parts that kubectl ignores or that a rewrite would lose, with line and column.
    pub warnings: Vec<String>,
    /// The kubeconfig as YAML.
    #[serde(skip)]
    pub text: String,
}

/// Returns a view of a kubeconfig in any valid writing, YAML or JSON.
///
/// # Errors
/// If the text is not a kubeconfig that kubectl would accept.
pub fn view_kubeconfig(file: &str, text: &str) -> Result<KubeconfigView, ReadError> {
    let parsed = Kubeconfig::from_yaml(text)?;
    // In kubectl's own writing, the view hides nothing but secrets.
    let text = view::kubeconfig(&public_kubeconfig(&parsed.kubeconfig.to_yaml()));
    let kubeconfig = serde_yaml::from_str(&text).unwrap_or_default();
    let warnings = parsed.warnings.iter().map(ToString::to_string).collect();
    Ok(KubeconfigView { file: file.to_owned(), kubeconfig, warnings, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_writing_has_the_same_view_and_no_secret() {
        let json = r#"{"apiVersion": "v1", "kind": "Config", "users": [{"name": "u", "user": {"token": "hunter2", "client-key-data": "aHVudGVyMg=="}}]}"#;
        let yaml = "apiVersion: v1\nkind: Config\nusers:\n- name: u\n  user:\n    token: >-\n      hunter2\n    client-key-data: |\n      aHVu\n      dGVyMg==\n";
        let views = [json, yaml].map(|text| view_kubeconfig("x", text).unwrap());
        assert_eq!(views[0].text, views[1].text);
        let shown = serde_json::to_string(&views[0]).unwrap();
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        let user = &views[0].kubeconfig["users"][0]["user"];
        assert!(user["token"].as_str().unwrap().starts_with("sha256:"), "{shown}");
    }
}
