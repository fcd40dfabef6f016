//! Tests of flags, files, and the conditions for a start.

use std::path::Path;

use kcm_tests::peers;

use super::*;

fn run_standin(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(Binaries::find().controller_manager_binary());
    let output = peers::output(command.args(arguments));
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn version_and_help_go_to_standard_output() {
    let (code, stdout, _) = run_standin(&["--version"]);
    let version = stdout.trim().strip_prefix("Kubernetes v1.").unwrap();
    assert_eq!((code, version.split('.').count()), (0, 2), "{stdout}");
    let version = version.to_owned();
    let (code, stdout, _) = run_standin(&["--version=raw"]);
    let start = "version.Info{Major:\"1\", Minor:\"";
    assert!(code == 0 && stdout.starts_with(start), "{stdout}");
    let (code, stdout, _) = run_standin(&["--help"]);
    assert_eq!(code, 0);
    let flags: Vec<&str> = stdout
        .lines()
        .filter_map(|line| line.trim_start().trim_start_matches("-v, ").strip_prefix("--"))
        .map(|line| line.split([' ', '[']).next().unwrap())
        .collect();
    let gate =
        "ControllerManagerReleaseLeaderElectionLockOnExit=true|false (ALPHA - default=false)";
    assert!(!version.starts_with("36.") || stdout.contains(&format!("kube:{gate}")), "{stdout}");
    for flag in ["bind-address", "kubeconfig", "controllers", "leader-elect", "v", "root-ca-file"] {
        assert!(flags.contains(&flag), "{flag}: {stdout}");
    }
}

#[test]
fn a_standin_of_another_version_knows_that_versions_flags() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kube-controller-manager");
    Binaries::standins().write_controller_manager("v1.22.17", &path);
    let stdout_of = |flag: &str| peers::run(Command::new(&path).arg(flag));
    assert_eq!(stdout_of("--version"), "Kubernetes v1.22.17\n");
    assert!(stdout_of("--help").contains("--port int"));
}

#[test]
fn what_pflag_refuses_is_refused_before_anything_else() {
    let cases: &[(&[&str], &str)] = &[
        (&["--no-such-flag"], "unknown flag: --no-such-flag"),
        (&["--port=0"], "unknown flag: --port"),
        (&["-x"], "unknown shorthand flag: 'x' in -x"),
        (&["--leader-elect", "true"], "does not take any arguments"),
        (&["--leader-elect=yes"], "invalid argument \"yes\" for \"--leader-elect\" flag"),
        (&["--node-cidr-mask-size=24.0"], "invalid argument \"24.0\""),
        (&["--node-cidr-mask-size="], "invalid argument \"\""),
        (&["--node-cidr-mask-size=4294967296"], "invalid argument"),
        (&["--node-cidr-mask-size=99999999999"], "value out of range"),
        (&["--cluster-signing-duration=1y"], "time: unknown unit \"y\" in duration \"1y\""),
        (&["--cluster-signing-duration=100"], "time: missing unit in duration \"100\""),
        (&["--cluster-signing-duration="], "time: invalid duration \"\""),
        (&["--bind-address=localhost"], "invalid argument \"localhost\""),
        (&["--bind-address=192.168.1.300"], "invalid argument \"192.168.1.300\""),
        (&["--v=two"], "invalid argument \"two\""),
        (&["--kube-api-qps=fast"], "invalid argument \"fast\""),
        (&["--kubeconfig"], "flag needs an argument: --kubeconfig"),
    ];
    for (arguments, message) in cases {
        let (code, _, stderr) = run_standin(arguments);
        assert_eq!(code, 1, "{arguments:?}");
        let (usage, last) = stderr.trim_end().rsplit_once('\n').unwrap();
        assert!(usage.starts_with("Usage:") && usage.contains("--kubeconfig string"), "{usage}");
        assert!(last.starts_with("Error: ") && last.contains(message), "{arguments:?}: {last}");
    }
}

#[test]
fn flags_that_do_not_go_together_end_the_process() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let bundle = [plane.authority(), &Authority::new()].map(|ca| ca.certificate.clone()).concat();
    fs::write(candidate.file("bundle.pem"), bundle).unwrap();
    let bundle = candidate.file("bundle.pem").display().to_string();
    let ca = candidate.file("ca.pem").display().to_string();
    let cases: &[&[&str]] = &[
        &["--leader-elect-resource-lock=endpoints"],
        &["--controllers=*,no-such-controller"],
        &["--cloud-provider=aws"],
        &["--secure-port=70000"],
        &["--cluster-cidr="],
        &["--cluster-cidr=172.20.0.0"],
        &["--node-cidr-mask-size=15"],
        &["--cluster-cidr=172.20.0.0/16,fd00::/104"],
        &[&format!("--cluster-signing-cert-file={bundle}")],
        &[&format!("--cluster-signing-kubelet-serving-cert-file={ca}")],
        &[&format!("--tls-cert-file={ca}")],
        &["--kubeconfig="],
    ];
    // The cases run one after the other with a deleted Lease, so that none waits for the Lease of
    // the previous one.
    for case in cases {
        plane.admin().delete(kcm_tests::control_plane::Client::LEASE);
        assert!(!candidate.fails_with(case).is_empty());
    }
}

#[test]
fn a_bundle_is_a_fine_root_and_old_controller_names_are_known() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let bundle = [plane.authority(), &Authority::new()].map(|ca| ca.certificate.clone()).concat();
    fs::write(candidate.file("bundle.pem"), bundle).unwrap();
    let root = format!("--root-ca-file={}", candidate.file("bundle.pem").display());
    let mut process = candidate.start_with(&[&root, "--controllers=*,-ttl,-nodeipam"]);
    leader(&plane);
    sleep(Duration::from_millis(500));
    assert_eq!(process.code(), None, "{}", process.log());
}

#[test]
fn a_file_that_is_missing_or_is_something_else_ends_the_process() {
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let nonsense = candidate.file("nonsense");
    fs::write(&nonsense, "nonsense\n").unwrap();
    let flags = [
        "kubeconfig",
        "authentication-kubeconfig",
        "authorization-kubeconfig",
        "client-ca-file",
        "requestheader-client-ca-file",
        "root-ca-file",
        "service-account-private-key-file",
        "cluster-signing-cert-file",
        "cluster-signing-key-file",
    ];
    for flag in flags {
        for path in [Path::new("/no/such/file"), &nonsense] {
            plane.admin().delete(kcm_tests::control_plane::Client::LEASE);
            candidate.fails_with(&[&format!("--{flag}={}", path.display())]);
        }
    }
}

#[test]
fn no_api_server_at_start_ends_it_soon_and_a_taken_port_at_once() {
    if !peers::has("curl") {
        return;
    }
    let plane = control_plane();
    let candidate = Candidate::new(&plane);
    let first = candidate.start();
    until("it is healthy", PATIENCE, || candidate.is_healthy());
    let log = candidate.fails_with(&[]);
    assert!(log.contains("failed to listen on"), "{log}");
    first.kill();
    plane.stop();
    let log = candidate.fails_with(&[]);
    assert!(log.contains("unable to load configmap based request-header-client-ca-file"), "{log}");
}
