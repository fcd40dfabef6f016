//! Tests of invalid command lines.

use std::fs;

use super::{Case, FAILED, USAGE, check};
use kcm_tests::Workspace;

/// A command line and its message.
type Line = (&'static [&'static str], &'static str);

#[rustfmt::skip]
const LINES: &[Line] = &[
    (&["deploy"], "unrecognized subcommand 'deploy'"),
    (&["aply", "--root", "out"], "unrecognized subcommand 'aply'"),
    (&["apply", "--rot", "out"], "unexpected argument '--rot' found"),
    (&["apply", "--root", ""], "a value is required for '--root <DIR>' but none was supplied"),
    (&["apply", "--root", "out", "-f", ""], "a value is required for '--file <FILE>' but none was supplied"),
    (&["apply", "--root"], "a value is required for '--root <DIR>' but none was supplied"),
    (&["apply", "--check", "--root", "out"], "unexpected argument '--check' found"),
    (&["plan", "--root", "out", "-o", "xml"], "invalid value 'xml' for '--output <FORM>'\n  [possible values: human, json, yaml, jsonl, sarif, cfssl]"),
    (&["drill", "--root", "out"], "unexpected argument '--root' found"),
    (&["plan", "--root", "out", "other.yaml"], "unexpected argument 'other.yaml' found"),
    (&["drill", "--kill", "--handover"], "the argument '--kill' cannot be used with '--handover'"),
    (&["init", "-f", "new.yaml", "--master", "k8s-master-01"], "invalid value 'k8s-master-01' for '--master <NAME=ADDRESS>': expected NAME=ADDRESS, such as `k8s-master-01=192.168.1.204`"),
    (&["init", "-f", "new.yaml", "--master", "k8s-master-01="], "invalid value 'k8s-master-01=' for '--master <NAME=ADDRESS>': expected NAME=ADDRESS, such as `k8s-master-01=192.168.1.204`"),
];

#[rustfmt::skip]
const INIT: &[(&[&str], i32, &str)] = &[
    (&["init", "--master", "m1=10.0.0.1"], FAILED, "kcm.yaml already exists | help: specify another file with -f"),
    (&["init", "-f", "no/such/folder.yaml", "--master", "m1=10.0.0.1"], FAILED, "no/such/folder.yaml: the parent folder does not exist | help: create the folder"),
    (&["init", "-f", "pki", "--master", "m1=10.0.0.1"], FAILED, "pki already exists | help: specify another file with -f"),
    (&["init", "-f", "new.yaml", "--master", "m1=10.0.0.256"], USAGE, "invalid argument: masters[0].address: `10.0.0.256` is not an IP address or a host name | help: write an IPv4 address as four numbers from 0 to 255"),
    (&["init", "-f", "new.yaml", "--master", "m1=10.0.0.1", "--master", "m1=10.0.0.2"], USAGE, "invalid argument: masters[1].name: `m1` is also the name of masters[0] | help: give each master a unique name"),
    (&["init", "-f", "new.yaml", "--master", "m1=10.0.0.1", "--server", "10.0.0.9:6443"], USAGE, "invalid argument: cluster.server: the server URL must begin with https://"),
    (&["init", "-f", "new.yaml", "--master", "m1=10.0.0.1", "--cluster-cidr", "10.68.0.0/16"], USAGE, "invalid argument: cluster.serviceClusterIpRange: 10.68.0.0/16 overlaps clusterCidr 10.68.0.0/16 | help: give Services a separate range"),
    (&["init", "-f", "new.yaml", "--master", "m1=10.0.0.1", "--user", "a b"], USAGE, "invalid argument: ssh.user: `a b` is not a login name | help: use letters, digits, dots and dashes"),
];

#[test]
fn what_cannot_be_meant_is_refused() {
    let cases = LINES.iter().map(|(line, error)| typed(line, USAGE, error));
    check(cases);
}

#[test]
fn init_refuses_answers_that_are_no_cluster_file_and_never_overwrites_one() {
    let cases = INIT.iter().map(|(line, code, error)| typed(line, *code, error));
    check(cases);
}

#[test]
fn a_cluster_file_that_is_not_there_is_named() {
    check([
        Case::new(
            "no cluster file",
            USAGE,
            |workspace: &Workspace| fs::remove_file(workspace.file("kcm.yaml")).unwrap(),
            "kcm.yaml: no such file or directory | help: specify another file with -f, or create a cluster file with `kcm init`",
        ),
        Case::new(
            "a folder",
            USAGE,
            |workspace: &Workspace| {
                fs::remove_file(workspace.file("kcm.yaml")).unwrap();
                fs::create_dir(workspace.file("kcm.yaml")).unwrap();
            },
            "kcm.yaml: is a directory | help: specify the path of the cluster file with -f",
        ),
        named(
            "a file in a folder that is not there",
            &["apply", "--root", "out", "-f", "no/kcm.yaml"],
            "no/kcm.yaml: no such file or directory | help: specify another file with -f, or create a cluster file with `kcm init`",
        ),
        named(
            "a file below a file",
            &["apply", "--root", "out", "-f", "kcm.yaml/kcm.yaml"],
            "kcm.yaml/kcm.yaml: not a directory | help: specify the path of the cluster file with -f",
        ),
    ]);
}

#[test]
fn a_drill_that_can_come_to_nothing_is_refused() {
    let drill = |line: &[&'static str], error| Case {
        arguments: line.to_vec(),
        verbs: &["drill"],
        ..Case::new(line.join(" "), USAGE, |_| {}, error)
    };
    check([
        drill(
            &["drill", "--svg", "no/drill.svg"],
            "cannot write the timeline: no/drill.svg: the parent folder does not exist | help: create the folder",
        ),
        drill(
            &["drill", "--svg", "pki"],
            "cannot write the timeline: pki: is a directory | help: specify a file in this directory",
        ),
    ]);
}

fn named(name: &'static str, line: &[&'static str], error: &'static str) -> Case {
    Case { arguments: line.to_vec(), ..Case::new(name, USAGE, |_| {}, error) }
}

/// Returns a case whose error occurs before the output format is known.
fn typed(line: &'static [&'static str], code: i32, error: &'static str) -> Case {
    Case {
        arguments: line.to_vec(),
        verbs: &line[..1],
        has_json: false,
        ..Case::new(line.join(" "), code, |_| {}, error)
    }
}
