//! Lints of single values: numbers, words, durations, patterns.

use super::value::{boolean, csv, duration, float, integer};
use super::{LintCode, Linter};
use crate::flags::KubernetesVersion;

/// Numbers that `Validate` checks: flag, first minor version with the check, minimum, maximum.
const RANGES: &[(&str, u16, i64, i64)] = &[
    ("concurrent-cron-job-syncs", 28, 1, i64::MAX),
    ("concurrent-daemonset-syncs", 32, 1, i64::MAX),
    ("concurrent-device-taint-eviction-syncs", 35, 1, i64::MAX),
    ("concurrent-ephemeralvolume-syncs", 0, 1, i64::MAX),
    ("concurrent-horizontal-pod-autoscaler-syncs", 26, 1, i64::MAX),
    ("concurrent-job-syncs", 28, 1, i64::MAX),
    ("concurrent-resourceclaim-syncs", 36, 1, i64::MAX),
    ("concurrent-service-endpoint-syncs", 0, 1, 50),
    ("concurrent-statefulset-syncs", 0, 1, i64::MAX),
    ("max-endpoints-per-slice", 0, 1, 1000),
    ("mirroring-concurrent-service-endpoint-syncs", 0, 1, 50),
    ("mirroring-max-endpoints-per-subset", 0, 1, 1000),
    ("secure-port", 0, 0, 65_535),
];

/// Durations that are not meaningful below or at zero.
const SPANS: &[&str] = &[
    "cluster-signing-duration",
    "horizontal-pod-autoscaler-sync-period",
    "node-monitor-grace-period",
    "node-monitor-period",
    "node-startup-grace-period",
];

/// Numbers that are not meaningful below zero.
const RATES: &[&str] = &[
    "horizontal-pod-autoscaler-tolerance",
    "node-eviction-rate",
    "secondary-node-eviction-rate",
    "unhealthy-zone-threshold",
];

impl Linter<'_> {
    pub(super) fn ranges(&mut self) {
        for (name, text) in self.flags.iter() {
            let name = name.as_str();
            let number = integer(text, 64);
            if let Some((_, since, least, most)) = RANGES.iter().find(|it| it.0 == name) {
                let outside = number.filter(|number| !(least..=most).contains(&number));
                if let Some(number) = outside.filter(|_| self.is_from(*since)) {
                    let range = match *most {
                        i64::MAX => format!("of at least {least}"),
                        most => format!("from {least} to {most}"),
                    };
                    let problem = format!("{number} is outside the accepted range");
                    self.lint(
                        LintCode::ValueRange,
                        name,
                        problem,
                        format!("write a number {range}"),
                    );
                }
            } else if name.starts_with("concurrent-") && number.is_some_and(|number| number < 1) {
                let problem = "without workers, the controller does nothing";
                self.lint(LintCode::OddValue, name, problem, "write a number of at least 1");
            }
            let is_odd = (SPANS.contains(&name) && duration(text).is_some_and(|span| span <= 0))
                || (RATES.contains(&name) && float(text).is_some_and(|rate| rate < 0.0));
            if is_odd {
                let problem = format!("`{text}` is accepted but is not a meaningful value");
                self.lint(LintCode::OddValue, name, problem, "write a value above zero");
            }
        }
    }

    /// Checks flags that accept only certain words or a certain form.
    pub(super) fn values(&mut self) {
        self.attach_detach();
        self.hidden_metrics();
        self.emulated_version();
        self.metric_labels();
        self.rate_limit();
        if let Some(text) = self.set("v").filter(|text| integer(text, 64).is_some()) {
            let is_level = text.bytes().all(|byte| byte.is_ascii_digit())
                && text.parse::<u32>().is_ok_and(|level| i32::try_from(level).is_ok());
            if !is_level {
                self.bad("v", text, "write a number from 0 to 2147483647");
            }
        }
        for path in self.list("authorization-always-allow-paths") {
            let path = path.strip_prefix('/').unwrap_or(&path);
            if path.strip_suffix('*').unwrap_or(path).contains('*') {
                self.bad(
                    "authorization-always-allow-paths",
                    path,
                    "write `*` only at the end of a path",
                );
            }
        }
    }

    /// Reports a value, or a part of it, that the program rejects.
    pub(super) fn bad(&mut self, flag: &str, part: &str, help: &str) {
        let problem = format!("`{part}` is not accepted");
        self.lint(LintCode::BadValue, flag, problem, help).about(part);
    }

    fn attach_detach(&mut self) {
        let flag = "attach-detach-reconcile-sync-period";
        let span = self.flags.get(flag).and_then(duration);
        if span.is_some_and(|span| span < 1_000_000_000) {
            let problem = "the period is less than one second";
            self.lint(LintCode::ValueRange, flag, problem, "write a duration of at least `1s`");
        }
    }

    fn hidden_metrics(&mut self) {
        let flag = "show-hidden-metrics-for-version";
        let before = KubernetesVersion::v1(self.version.minor().saturating_sub(1)).to_string();
        if let Some(text) = self.set(flag).filter(|text| *text != before) {
            let problem = format!("`{text}` is not the previous minor version");
            let help = "remove the flag; a value that is valid for one version prevents the next version from starting";
            self.lint(LintCode::HiddenMetrics, flag, problem, help);
        }
    }

    fn emulated_version(&mut self) {
        let flag = "emulated-version";
        for item in self.list(flag) {
            let (component, text) = item.split_once('=').unwrap_or(("kube", &item));
            let newest = self.version.minor();
            let range = newest.saturating_sub(3).max(31)..=newest;
            let minor = KubernetesVersion::parse(text).map(KubernetesVersion::minor);
            if component != "kube" || minor.is_err() {
                self.bad(flag, &item, "write a version such as `1.36` or `kube=1.36`");
            } else if minor.is_ok_and(|minor| !range.contains(&minor)) {
                let (first, last) = range.into_inner();
                let problem = format!("`{item}` cannot be emulated");
                let help =
                    format!("choose a version from 1.{first} to 1.{last}, or remove the flag");
                self.lint(LintCode::EmulatedVersion, flag, problem, help).about(&item);
            }
        }
    }

    /// Checks `metricName,labelName=values`. pflag splits the list only if it contains several `=`.
    fn metric_labels(&mut self) {
        let flag = "allow-metric-labels";
        let Some(text) = self.set(flag) else { return };
        let pairs = match text.matches('=').count() {
            0 | 1 => Some(vec![text.trim_matches('"').to_owned()]),
            _ => csv(text),
        };
        let help =
            "write `metric,label=value`, with each entry in double quotes if there are several";
        let Some(pairs) = pairs else { return self.bad(flag, text, help) };
        for pair in pairs {
            let key = pair.split_once('=').map(|(key, _)| key);
            // 1.36 accepts any key.
            let is_right = match key {
                None => false,
                Some(_) if self.is_from(36) => true,
                Some(key) => key
                    .split_once(',')
                    .is_some_and(|(metric, label)| is_word(metric, "_:") && is_word(label, "_")),
            };
            if !is_right {
                self.bad(flag, &pair, help);
            }
        }
    }

    fn rate_limit(&mut self) {
        let rate = self.flags.get("kube-api-qps").map_or(Some(20.0), float);
        let burst = self.number("kube-api-burst", 30);
        if rate.is_some_and(|rate| rate > 0.0) && burst.is_some_and(|burst| burst <= 0) {
            let problem = "a burst of zero or less is not accepted with a rate limit";
            let help = "write a number of at least 1, or set `--kube-api-qps` to a negative number";
            self.lint(LintCode::RateLimit, "kube-api-burst", problem, help).with(&["kube-api-qps"]);
        }
    }

    /// Checks logging options, by
    /// [component-base/logs](https://pkg.go.dev/k8s.io/component-base/logs/api/v1).
    pub(super) fn logging(&mut self) {
        let format = self.flags.get("logging-format").unwrap_or("text");
        if !matches!(format, "text" | "json") {
            self.bad("logging-format", format, "write `text` or `json`");
        }
        if format == "json" && self.gates.is_on("LoggingBetaOptions") == Some(false) {
            let problem = "`json` requires the feature gate LoggingBetaOptions, which is off";
            let help = "turn on the feature gate, or write `text`";
            self.lint(LintCode::LogOptions, "logging-format", problem, help)
                .with(&["feature-gates"]);
        }
        if let Some(pattern) = self.set("vmodule") {
            if format != "text" {
                let problem = "the flag requires the text logging format";
                let help = "remove the flag, or remove `--logging-format`";
                self.lint(LintCode::LogOptions, "vmodule", problem, help).with(&["logging-format"]);
            }
            let is_wrong = |part: &&str| !part.is_empty() && !is_verbosity_pattern(part);
            if let Some(part) = pattern.split(',').find(is_wrong) {
                self.bad(
                    "vmodule",
                    part,
                    "write `pattern=N`, with commas between several patterns",
                );
            }
        }
        let flush = self.flags.get("log-flush-frequency").and_then(duration);
        if self.is_from(35) && flush.is_some_and(|span| span <= 0) {
            let problem = "the duration is not above zero";
            self.lint(
                LintCode::ValueRange,
                "log-flush-frequency",
                problem,
                "write a duration such as `5s`",
            );
        }
        for flag in [
            "log-json-split-stream",
            "log-json-info-buffer-size",
            "log-text-split-stream",
            "log-text-info-buffer-size",
        ] {
            let is_used = self.set(flag).is_some_and(|text| {
                boolean(text) != Some(false) && text.bytes().any(|byte| byte != b'0')
            });
            if is_used && self.is_from(25) && self.gates.is_on("LoggingAlphaOptions") == Some(false)
            {
                let problem =
                    "the flag requires the feature gate LoggingAlphaOptions, which is off";
                let help =
                    "remove the flag, or set `LoggingAlphaOptions=true` in `--feature-gates`";
                self.lint(LintCode::LogOptions, flag, problem, help).with(&["feature-gates"]);
            }
        }
    }
}

/// Reports whether a text consists of letters, digits and the given signs and does not begin with a
/// digit.
fn is_word(text: &str, signs: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

fn is_verbosity_pattern(part: &str) -> bool {
    let Some((pattern, level)) = part.split_once('=') else { return false };
    let is_number = !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_digit());
    !pattern.is_empty() && is_number && level.parse::<u32>().is_ok_and(|level| level < 1 << 31)
}
