//! Validation of parsed flags, as in `Validate()` of kube-controller-manager and in its logging
//! options.
//!
//! Messages are upstream's. Minor versions are those that make a check.

use std::path::Path;

use super::gates::Gates;
use crate::standin::flags::Parsed;

/// Flags that must be at least 1: name, first minor version with the check, message.
const POSITIVE: [(&str, u32, &str); 8] = [
    ("concurrent-cron-job-syncs", 28, "must be greater than 0, but got"),
    ("concurrent-daemonset-syncs", 32, "must be greater than 0, but got"),
    ("concurrent-device-taint-eviction-syncs", 35, "must be greater than zero, got"),
    ("concurrent-ephemeralvolume-syncs", 0, "must be greater than 0, but got"),
    ("concurrent-horizontal-pod-autoscaler-syncs", 26, "must be greater than 0, but got"),
    ("concurrent-job-syncs", 28, "must be greater than 0, but got"),
    ("concurrent-resourceclaim-syncs", 36, "must be larger than 0, got"),
    ("concurrent-statefulset-syncs", 0, "must be greater than 0, but got"),
];

/// Flags that must be between 1 and a maximum.
const RANGES: [(&str, i64); 4] = [
    ("concurrent-service-endpoint-syncs", 50),
    ("max-endpoints-per-slice", 1000),
    ("mirroring-concurrent-service-endpoint-syncs", 50),
    ("mirroring-max-endpoints-per-subset", 1000),
];

/// Returns the errors of the logging options.
pub(super) fn logging(flags: &Parsed, minor: u32, gates: &Gates) -> Vec<String> {
    let mut errors = Vec::new();
    let format = flags.text("logging-format").unwrap_or("text");
    if !matches!(format, "text" | "json") {
        errors.push(format!("format: Invalid value: {format:?}: Unsupported log format"));
    }
    if format == "json" && flags.text("vmodule").is_some_and(|text| !text.is_empty()) {
        errors.push("vmodule: Forbidden: Only supported for text log format".to_owned());
    }
    if minor >= 35 && flags.seconds("log-flush-frequency", 5.0) <= 0.0 {
        let text = flags.text("log-flush-frequency").unwrap_or_default();
        let why = "Must be greater than zero";
        errors.push(format!("flushFrequency: Invalid value: {text:?}: {why}"));
    }
    let has_alpha = gates.is_on("LoggingAlphaOptions");
    for kind in ["json", "text"] {
        let size = flags.text(&format!("log-{kind}-info-buffer-size"));
        let options = [
            ("splitStream", flags.is_on(&format!("log-{kind}-split-stream"), false)),
            ("infoBufferSize", size.is_some_and(|size| size != "0")),
        ];
        for (option, _) in options.into_iter().filter(|(_, is_set)| *is_set && !has_alpha) {
            let why = "Forbidden: Feature LoggingAlphaOptions is disabled";
            errors.push(format!("options.{kind}.{option}: {why}"));
        }
    }
    errors
}

/// Returns the errors of `Validate()`, except those about names of controllers.
pub(super) fn validate(flags: &Parsed, minor: u32) -> Vec<String> {
    let text = |name: &str| flags.text(name).unwrap_or_default();
    let mut errors = numbers(flags, minor);
    if minor >= 26 && flags.seconds("attach-detach-reconcile-sync-period", 60.0) < 1.0 {
        errors.push(
            "duration time must be greater than one second as set via command line option \
             reconcile-sync-loop-period"
                .to_owned(),
        );
    }
    let allocator = text("cidr-allocator-type");
    if minor >= 32 && !matches!(allocator, "" | "RangeAllocator") {
        let why = "built-in cloud providers are disabled. The ipam";
        errors.push(format!("{why} {allocator} is not available"));
    }
    let provider = text("cloud-provider");
    if minor >= 32 && !matches!(provider, "" | "external") {
        errors.push(no_such_provider(provider));
    }
    let lock = flags.text("leader-elect-resource-lock").unwrap_or("leases");
    if minor >= 27 && flags.is_on("leader-elect", true) && lock != "leases" {
        errors.push("resourceLock value must be \"leases\"".to_owned());
    }
    if text("service-cluster-ip-range").split(',').count() > 2 {
        let why = "--service-cluster-ip-range can not contain more than two entries";
        errors.push(why.to_owned());
    }
    errors.extend(signing(flags));
    errors.extend(metrics(flags, minor));
    let headers = flags.list("requestheader-uid-headers").unwrap_or_default();
    let is_standard = |header: &String| header.eq_ignore_ascii_case("x-remote-uid");
    if minor >= 32 && !headers.is_empty() && !headers.iter().any(is_standard) {
        errors.push(
            "--requestheader-uid-headers is set without specifying the standard X-Remote-Uid \
             header - API aggregation will not work"
                .to_owned(),
        );
    }
    errors
}

/// Returns the error for a cloud provider that is not built in any more.
pub(super) fn no_such_provider(name: &str) -> String {
    format!(
        "cloud provider {name:?} was specified, but built-in cloud providers are disabled. Please \
         set --cloud-provider=external and migrate to an external cloud provider"
    )
}

fn numbers(flags: &Parsed, minor: u32) -> Vec<String> {
    let mut errors = Vec::new();
    for (name, since, words) in POSITIVE {
        if let Some(number) = flags.number(name).filter(|number| *number < 1 && minor >= since) {
            errors.push(format!("{name} {words} {number}"));
        }
    }
    for (name, most) in RANGES {
        match flags.number(name) {
            Some(number) if number < 1 => {
                errors.push(format!("{name} must not be less than 1, but got {number}"));
            }
            Some(number) if number > most => {
                errors.push(format!("{name} must not be more than {most}, but got {number}"));
            }
            _ => (),
        }
    }
    match flags.number("secure-port") {
        Some(port) if port < 0 => errors.push(format!(
            "--secure-port {port} must be between 0 and 65535, inclusive. 0 for turning off secure \
             port"
        )),
        Some(port) if port > 65535 => errors.push(format!(
            "--secure-port {port} must be between 1 and 65535, inclusive. It cannot be turned off \
             with 0"
        )),
        _ => (),
    }
    errors
}

fn metrics(flags: &Parsed, minor: u32) -> Vec<String> {
    let mut errors = Vec::new();
    let before = format!("1.{}", minor.saturating_sub(1));
    let shown = flags.text("show-hidden-metrics-for-version").unwrap_or_default();
    if !shown.is_empty() && shown != before {
        errors.push(if minor >= 36 {
            format!(
                "metrics.showHiddenMetricsForVersion: Invalid value: {shown:?}: must be omitted or \
                 have the value '{before}'; only the previous minor version is allowed"
            )
        } else {
            format!(
                "--show-hidden-metrics-for-version must be omitted or have the value '{before}'. \
                 Only the previous minor version is allowed"
            )
        });
    }
    let manifest = flags.text("allow-metric-labels-manifest").unwrap_or_default();
    if minor >= 36 && !manifest.is_empty() && !Path::new(manifest).exists() {
        errors.push(format!(
            "metrics.allowListMappingManifest: Invalid value: {manifest:?}: failed to read allow \
             list manifest: open {manifest}: no such file or directory"
        ));
    }
    let labels = flags.text("allow-metric-labels").unwrap_or_default();
    let keys = labels.split(',').filter_map(|pair| pair.split_once('='));
    if minor < 36 && keys.into_iter().any(|(key, _)| !key.contains(',')) {
        errors.push(
            "--allow-metric-labels must have a list of kv pair with format \
             `metricName,labelName=labelValue, labelValue,...`"
                .to_owned(),
        );
    }
    errors
}

fn signing(flags: &Parsed) -> Vec<String> {
    // As upstream, the labels of the middle two differ from their flags.
    const SIGNERS: [(&str, &str); 4] = [
        ("kubelet-serving", "kubelet-serving"),
        ("kubelet-client", "kube-apiserver-client"),
        ("kube-apiserver-client", "kube-apiserver"),
        ("legacy-unknown", "legacy-unknown"),
    ];
    let mut errors = Vec::new();
    let has = |name: &str| flags.path(&format!("cluster-signing-{name}-file")).is_some();
    let mut any = false;
    for (signer, label) in SIGNERS {
        let pair = (has(&format!("{signer}-cert")), has(&format!("{signer}-key")));
        any |= pair.0 || pair.1;
        let missing = match pair {
            (true, false) => "cert without key",
            (false, true) => "key without cert",
            _ => continue,
        };
        errors.push(format!("\"cluster-signing-{label}\": cannot specify {missing}"));
    }
    if (has("cert") || has("key")) && any {
        errors.push(
            "cannot specify --cluster-signing-{cert,key}-file and other \
             --cluster-signing-*-file flags at the same time"
                .to_owned(),
        );
    }
    errors
}
