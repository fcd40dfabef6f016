//! Fuzzes the kubeconfig parser and the public view. Output of a parsed kubeconfig must parse and
//! print to the same text.
#![no_main]

use kcm_kubeconfig::{Kubeconfig, public_view};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = public_view(text, |value| format!("{:x}", value.len()));
    if let Ok(parsed) = Kubeconfig::from_yaml(text) {
        let printed = parsed.kubeconfig.to_yaml();
        let again = Kubeconfig::from_yaml(&printed).map(|parsed| parsed.kubeconfig.to_yaml());
        assert_eq!(again.as_ref(), Ok(&printed), "{}", *printed);
    }
});
