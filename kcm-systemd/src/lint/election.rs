//! Lints of leader election, whose errors end the program only after it listens, or prevent it from
//! acquiring the Lease.

use super::value::duration;
use super::{LintCode, Linter};

const SECOND: i64 = 1_000_000_000;
/// Maximum factor by which the retry period is lengthened (`JitterFactor` in client-go).
const JITTER: f64 = 1.2;

impl Linter<'_> {
    /// Follows `LeaderElectionConfiguration` as checked by
    /// [component-base](https://pkg.go.dev/k8s.io/component-base/config/validation) and
    /// [client-go](https://pkg.go.dev/k8s.io/client-go/tools/leaderelection#NewLeaderElector).
    pub(super) fn leader_election(&mut self) {
        if !self.is_on("leader-elect", true) {
            let problem = "without leader election, all kube-controller-manager processes are active at the same time";
            let help = "remove the flag, or set the flag to `true`";
            self.lint(LintCode::NoLeaderElection, "leader-elect", problem, help).warning();
            return;
        }
        self.resource_lock();
        if self.flags.get("leader-elect-resource-name") == Some("") {
            let problem = "a Lease without a name cannot be acquired";
            let help = "remove the flag; the default name is kube-controller-manager";
            self.lint(LintCode::LeaseName, "leader-elect-resource-name", problem, help);
        }
        self.lease_timing();
    }

    fn resource_lock(&mut self) {
        let flag = "leader-elect-resource-lock";
        let Some(lock) = self.flags.get(flag) else { return };
        let is_known = match lock {
            "leases" => true,
            "endpointsleases" | "configmapsleases" => !self.is_from(27),
            "endpoints" | "configmaps" => !self.is_from(24),
            _ => false,
        };
        if !is_known {
            let problem = format!("`{lock}` is not a supported lock type");
            self.lint(LintCode::ResourceLock, flag, problem, "set the flag to `leases`");
        }
    }

    fn lease_timing(&mut self) {
        let [lease, renew, retry] = [
            ("leader-elect-lease-duration", 15),
            ("leader-elect-renew-deadline", 10),
            ("leader-elect-retry-period", 2),
        ];
        let span = |(flag, default): (&str, i64)| {
            self.flags.get(flag).map_or(Some(default * SECOND), duration)
        };
        let (lasting, deadline, period) = (span(lease), span(renew), span(retry));
        if let (Some(lasting), Some(deadline)) = (lasting, deadline)
            && lasting <= deadline
        {
            let problem = format!(
                "the lease duration of {} must be longer than the renew deadline of {}",
                shown(lasting),
                shown(deadline)
            );
            let help = "increase the lease duration, or decrease `--leader-elect-renew-deadline`";
            self.lint(LintCode::LeaseTiming, lease.0, problem, help).with(&[renew.0]);
        }
        if let (Some(deadline), Some(period)) = (deadline, period)
            && deadline <= jittered(period)
        {
            let problem = format!(
                "the renew deadline of {} must be longer than 1.2 times the retry period of {}",
                shown(deadline),
                shown(period)
            );
            let help = "increase the renew deadline, or decrease `--leader-elect-retry-period`";
            self.lint(LintCode::LeaseTiming, renew.0, problem, help).with(&[retry.0]);
        }
        if period.is_some_and(|period| period < 1) {
            let problem = "the retry period must be above zero";
            self.lint(LintCode::LeaseTiming, retry.0, problem, "set the flag to `2s`");
        }
    }
}

/// Returns the period with maximum jitter, as Go computes it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the program computes with the same loss"
)]
fn jittered(period: i64) -> i64 {
    (JITTER * period as f64) as i64
}

fn shown(nanoseconds: i64) -> String {
    match nanoseconds {
        whole if whole % SECOND == 0 => format!("{}s", whole / SECOND),
        fine if fine % 1_000_000 == 0 => format!("{}ms", fine / 1_000_000),
        fine => format!("{fine}ns"),
    }
}
