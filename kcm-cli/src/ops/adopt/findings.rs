//! Findings about masters that were set up by hand: units, flags, files and certificates. Pure.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use kcm_pki::Certificate;
use kcm_systemd::{Argument, Flags, LintVersions, Severity as LintSeverity, lint_flags};
use time::{Duration, OffsetDateTime};

use super::AdoptError;
use super::look::Found;
use super::losses::{ADOPTED, NOT_ADOPTED, of_unit};
use super::subject::Csr;
use crate::finding::{Finding, FindingCode};
use crate::observed::trust::described;
use crate::preflight;
use crate::preflight::lint::{FileUse, of_file, weighed};
use crate::transport::{Observation, PathState};

/// Remaining validity from which a certificate is reported.
const SOON: Duration = Duration::days(30);

/// The number of masters that must have a value before it counts for all of them.
#[derive(Clone, Copy)]
pub(super) enum Share {
    /// More than half of them.
    Most,
    /// All of them.
    All,
}

impl Share {
    /// Returns the value that this share of them has.
    pub(super) fn of<T: PartialEq>(self, values: &[T]) -> Option<&T> {
        let times = |value: &T| values.iter().filter(|other| *other == value).count();
        values.iter().find(|value| match self {
            Self::Most => 2 * times(value) > values.len(),
            Self::All => times(value) == values.len(),
        })
    }

    /// Returns the common value of masters that may lack it. A missing value counts as a value.
    pub(super) fn common<T: PartialEq + Clone>(
        self,
        values: impl IntoIterator<Item = Option<T>>,
    ) -> Option<T> {
        let values: Vec<_> = values.into_iter().collect();
        self.of(&values).cloned().flatten()
    }
}

/// Collector of findings.
pub(super) struct Findings<'a> {
    found: &'a [Found],
    all: Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// Collects the findings about single masters.
    pub(super) fn of(found: &'a [Found], now: OffsetDateTime) -> Self {
        let mut findings = Self { found, all: Vec::new() };
        for master in found {
            findings.all.extend(of_unit(&master.name, &master.effective, ADOPTED));
            findings.arguments(master);
            findings.secrets(master);
            findings.lints(master);
            findings.benchmark(master);
            findings.end(master, now);
        }
        findings
    }

    /// Collects the findings about units that cannot be adopted.
    pub(super) fn of_units(found: &'a [Found]) -> Self {
        let all = found.iter().flat_map(|it| of_unit(&it.name, &it.effective, NOT_ADOPTED));
        Self { found, all: all.collect() }
    }

    /// Returns all findings. A finding that concerns every master is returned once.
    pub(super) fn all(self) -> Vec<Finding> {
        let mut times: HashMap<_, usize> = HashMap::new();
        for finding in &self.all {
            *times.entry((finding.code, &finding.problem, &finding.help)).or_default() += 1;
        }
        let everywhere = |finding: &Finding| {
            let times = times.get(&(finding.code, &finding.problem, &finding.help));
            self.found.len() > 1 && times.is_some_and(|times| *times >= self.found.len())
        };
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        for finding in &self.all {
            let is_everywhere = everywhere(finding);
            let master = finding.master.as_ref().filter(|_| !is_everywhere);
            if seen.insert((finding.code, master, &finding.problem, &finding.help)) {
                all.push(Finding { master: master.cloned(), ..finding.clone() });
            }
        }
        all
    }

    fn warn(&mut self, code: FindingCode, master: &str, problem: String, help: &str) {
        self.all.push(Finding::error(code, master, problem, help).into_warning());
    }

    fn arguments(&mut self, master: &Found) {
        for stray in &master.strays {
            let problem = format!(
                "{}: kube-controller-manager receives the argument `{}` and refuses to start",
                master.unit_file,
                stray.escape_debug()
            );
            let help = "check `kcm plan`: the cluster file omits the argument";
            self.all.push(Finding::error(FindingCode::NotReproduced, &master.name, problem, help));
        }
        for flag in master.effective.repeated() {
            let value = master.flag(flag.as_str()).unwrap_or_default();
            let problem =
                format!("--{flag} is given more than once, and the last value, `{value}`, applies");
            let help = "check this value, the only one in the cluster file";
            self.warn(FindingCode::FlagRepeated, &master.name, problem, help);
        }
        let process = master.inspected.as_ref().and_then(|inspected| inspected.process.as_ref());
        let Some(process) = process else { return };
        // A script has its interpreter before it.
        let own = process.argv.iter().position(|word| *word == master.meaning.executable);
        let words = process.argv.iter().skip(own.map_or(1, |own| own + 1));
        let words: Vec<_> =
            words.filter_map(|word| Argument::try_from(word.as_str()).ok()).collect();
        if Flags::from_arguments(&words).ok().as_ref() != Some(&master.meaning.flags) {
            let problem = "the running process has other arguments than the unit".to_owned();
            let help = "run `systemctl restart` on the master; kcm adopts the unit";
            self.warn(FindingCode::RestartPending, &master.name, problem, help);
        }
    }

    fn secrets(&mut self, master: &Found) {
        let is_secret = |path: &str| {
            let is_key_flag = master.meaning.flags.iter().any(|(name, value)| {
                value == path
                    && (name.as_str().ends_with("key-file")
                        || name.as_str().ends_with("kubeconfig"))
            });
            is_key_flag || path.ends_with("-key.pem") || path.ends_with("manager.key")
        };
        let open = master.files.iter().filter_map(|(path, state)| {
            let (mode, _) = state.attributes().filter(|_| is_secret(path.as_str()))?;
            (mode.bits() & 0o007 != 0).then(|| (path.clone(), mode))
        });
        self.all.extend(preflight::open_keys(&master.name, &open.collect::<Vec<_>>()));
        let missing = master.files.iter().filter(|(path, state)| {
            *state == PathState::Absent
                && master.meaning.flags.iter().any(|(_, value)| value == path.as_str())
        });
        let missing: Vec<_> = missing.map(|(path, _)| path.to_string()).collect();
        if !missing.is_empty() {
            let problem = format!("flags name missing files: {}", missing.join(", "));
            let help = "create the files, or remove the flags";
            self.all.push(Finding::error(FindingCode::FileMissing, &master.name, problem, help));
        }
    }

    /// Reports an expired client certificate, or one that expires soon.
    fn end(&mut self, master: &Found, now: OffsetDateTime) {
        let Some(certificate) = master.identity().and_then(|chain| chain.into_iter().next()) else {
            return;
        };
        let end = certificate.not_after();
        let (code, problem) = match end - now {
            left if left <= Duration::ZERO => (FindingCode::CertificateExpired, "expired"),
            left if left <= SOON => (FindingCode::CertificateDue, "expires"),
            _ => return,
        };
        let problem = format!("the client certificate {problem} on {}", end.date());
        let help = "put the CA key at `pki.caKey`, and run `kcm certs renew`";
        self.warn(code, &master.name, problem, help);
    }

    fn lints(&mut self, master: &Found) {
        let said = master.inspected.as_ref().and_then(|it| it.version.as_ref());
        let version = match said {
            Some(Observation::Known(said)) => preflight::program_version(said),
            _ => None,
        };
        let versions = version.map_or(LintVersions::Unknown, |it| LintVersions::These(vec![it]));
        let lints = lint_flags(&master.meaning.flags, &versions).into_iter();
        for lint in lints.filter_map(|lint| weighed(lint, self.found.len() > 1)) {
            let problem = format!("{lint} [{}]", lint.code);
            let finding = Finding::error(FindingCode::FlagLint, &master.name, problem, &*lint.help);
            self.all.push(match lint.severity {
                LintSeverity::Error => finding,
                LintSeverity::Warning | LintSeverity::Benchmark => finding.into_warning(),
            });
        }
    }

    /// Reports violations of the benchmark by the unit file and the files that flags name.
    fn benchmark(&mut self, master: &Found) {
        for (path, state) in &master.files {
            let mut flags = master.meaning.flags.iter();
            let named = flags.find(|(_, value)| *value == path.as_str());
            let is = match named.map(|(flag, _)| flag.as_str()) {
                None if *path == master.unit_file => FileUse::Unit,
                Some(flag) if flag.ends_with("kubeconfig") => FileUse::Kubeconfig,
                Some(flag) if flag.ends_with("key-file") => FileUse::Key,
                Some(flag) if flag.ends_with("-file") => FileUse::Certificate,
                _ => continue,
            };
            let Some((mode, owner)) = state.attributes() else { continue };
            for (code, problem, help) in of_file(is, path.as_str(), mode, owner) {
                let problem = format!("{problem} [{code}]");
                self.warn(FindingCode::FlagLint, &master.name, problem, &help);
            }
        }
    }

    /// Returns the value that this share of the masters has, which may be none. A difference is a
    /// finding that names the deviating masters.
    ///
    /// # Errors
    /// If no value has this share: one master must not decide for the others.
    pub(super) fn agree<T: PartialEq + Clone>(
        &mut self,
        what: &str,
        share: Share,
        of: impl Fn(&Found) -> Option<T>,
        said: impl Fn(&T) -> String,
    ) -> Result<Option<T>, AdoptError> {
        let values: Vec<_> = self.found.iter().map(of).collect();
        let agreed = share.of(&values);
        let masters = || self.found.iter().zip(&values);
        let odd = masters().filter(|(_, value)| Some(*value) != agreed);
        let odd: Vec<_> = odd.map(|(master, _)| master.name.as_str()).collect();
        if odd.is_empty() {
            return Ok(agreed.cloned().flatten());
        }
        let said = |value: &Option<T>| value.as_ref().map_or_else(|| "none".to_owned(), &said);
        let each = masters().map(|(master, value)| format!("{} has {}", master.name, said(value)));
        let each = each.collect::<Vec<_>>().join("; ");
        let help = match (agreed, share) {
            (Some(_), _) => format!(
                "find out why {} differs before you run `kcm apply`; the cluster file has the value of most masters",
                odd.join(", ")
            ),
            (None, Share::Most) => "make the masters equal; no value is shared by most masters, so the cluster file has none of them".to_owned(),
            (None, Share::All) => "make the masters equal; the cluster file has only commands that all masters share".to_owned(),
        };
        let problem = format!("{what} is not the same on all masters: {each}");
        let agreed = agreed.cloned();
        self.all.push(Finding::general(FindingCode::MastersDiffer, problem, help));
        agreed.ok_or_else(|| AdoptError::Disagree { what: what.to_owned(), each })
    }

    /// Returns the value that most of the masters with the flag give it. Masters without the flag
    /// count as agreeing.
    pub(super) fn agree_on_flag(&mut self, flag: &str) -> Result<Option<String>, AdoptError> {
        let given: Vec<_> = self.found.iter().filter_map(|master| master.flag(flag)).collect();
        let most = Share::Most.of(&given).map(|most| (*most).to_owned());
        let of = |master: &Found| master.flag(flag).map(str::to_owned).or_else(|| most.clone());
        self.agree(&format!("--{flag}"), Share::Most, of, Clone::clone)
    }

    /// Reports the CA certificates that clients accept besides the signing CA.
    pub(super) fn trusts(&mut self, all: &[Certificate], ca: &Certificate) {
        let problem = format!(
            "the kubeconfig trusts {} CA certificates: {}; the signing CA is {}",
            all.len(),
            described(all),
            ca.fingerprint()
        );
        let help = "keep the bundle that `pki.trust` names; to drop an unused CA, remove it from the bundle and run `kcm apply --replace-ca`";
        self.all.push(Finding::general(FindingCode::TrustBundle, problem, help));
    }

    pub(super) fn own_flags(&mut self, master: &str, names: &str) {
        let problem = format!("flags that not all masters share: {names}");
        let help = "move the flags to `controllerManager.flags` if all masters should have them; the cluster file sets them for this master";
        self.warn(FindingCode::MastersDiffer, master, problem, help);
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.all.push(finding);
    }

    pub(super) fn not_reproduced(&mut self, problem: String, help: &str) {
        let finding = Finding::general(FindingCode::NotReproduced, problem, help);
        if !self.all.contains(&finding) {
            self.all.push(finding);
        }
    }
}

/// Returns the finding about a subject that is not kcm's own. A CSR file keeps the subject as far
/// as possible.
pub(super) fn of_subject(identity: &Certificate, csr: &Csr) -> Finding {
    let subject = identity.subject();
    if csr.lost.is_empty() {
        let problem = format!("the subject of the client certificate is `{subject}`");
        let help = "check the CSR file that `pki.csr` names; the next renewal keeps this subject";
        return Finding::general(FindingCode::SubjectMismatch, problem, help);
    }
    let lost = csr.lost.join(", ");
    let problem = format!(
        "the subject of the client certificate is `{subject}`, and a CSR file cannot express {lost}"
    );
    let help = "check that no system needs these attributes, because a renewal omits them; Kubernetes reads the user from CN and the groups from O only";
    Finding::general(FindingCode::NotReproduced, problem, help)
}

/// Returns the finding about a missing CA key, which the first renewal needs.
pub(super) fn no_ca_key(path: &Path) -> Finding {
    let problem = format!(
        "the CA key is not at {}, and kcm does not fetch keys from masters",
        path.display()
    );
    let help = "put the CA key at this path before the first renewal; no other operation needs it";
    Finding::general(FindingCode::CaKeyMissing, problem, help)
}
