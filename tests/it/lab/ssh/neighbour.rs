//! Tests of an unprivileged account on a master: it gains nothing from the actions of root.

use std::sync::Arc;

use kcm::cluster::Sudo;
use kcm::files::{Bytes, Mode, Owner};
use kcm::transport::{
    Attributes, Batch, CheckFolders, Commit, Keep, NoteProgram, OpenSsh, Operation, Reply,
    ShellTransport, Stage, StagedFile, Transport as _, Unstage, UntrustedFolder,
};
use kcm_tests::lab::{self, LabCluster, Machine, Variant};

use super::{master_with, on, remote, settings};

/// UID of the account, which may not become root.
const NEIGHBOUR: &str = "1999";
/// Rounds of every changing operation, for each of the attacks.
const ROUNDS: usize = 32;

fn master(machine: &Machine) -> Arc<ShellTransport<OpenSsh>> {
    let sudo = match machine.sudo_password() {
        Some(_) => Sudo::Password,
        None => Sudo::Passwordless,
    };
    let ssh = kcm::cluster::Ssh { sudo, ..settings(machine) };
    master_with(machine, ssh, &super::Connections::new())
}

fn untrusted(master: &Arc<ShellTransport<OpenSsh>>, path: &str) -> Vec<UntrustedFolder> {
    let check = Operation::CheckFolders(CheckFolders { paths: vec![remote(path)] });
    let replies = on(master, master.call(&Batch::new(vec![check]))).unwrap();
    match replies.done.into_iter().next() {
        Some(Reply::CheckedFolders(found)) => found,
        other => panic!("{other:?} {:?}", replies.failed),
    }
}

#[test]
fn the_folders_of_whoever_logs_in_are_trusted_if_they_need_no_password_for_root() {
    let variants = [Variant::new(), Variant::new().sudo(lab::Sudo::Password)];
    let Some(lab) = LabCluster::up(&variants) else { return };
    let file = "/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig";
    for machine in lab.machines() {
        let (user, master) = (machine.user(), master(machine));
        machine.run(&["mkdir", "-p", "/opt/kubernetes/kubeconfig"]);
        let own = format!("{user}:{user}");
        machine.run(&["chown", "-R", &own, "/opt/kubernetes"]);
        let is_free = machine.sudo_password().is_none();
        // Mode 775 results from the umask of distributions with a separate group for each user.
        for mode in ["755", "775"] {
            machine.run(&["chmod", "-R", mode, "/opt/kubernetes"]);
            let found = untrusted(&master, file);
            assert_eq!(found.is_empty(), is_free, "{mode}: {found:?}");
        }
        // Other members of the group make the folder untrusted.
        machine.run(&["sh", "-c", &format!("echo neighbour:x:{NEIGHBOUR}: >>/etc/group")]);
        machine.run(&["chown", "-R", &format!("{user}:{NEIGHBOUR}"), "/opt/kubernetes"]);
        assert_eq!(untrusted(&master, file).len(), 2);
        machine.run(&["chown", "-R", NEIGHBOUR, "/opt/kubernetes"]);
        machine.run(&["chmod", "-R", "755", "/opt/kubernetes"]);
        let found = untrusted(&master, file);
        let paths: Vec<_> = found.iter().map(|folder| folder.path.as_str()).collect();
        assert_eq!(paths, ["/opt/kubernetes", "/opt/kubernetes/kubeconfig"]);
    }
}

/// Attacks that the account repeats in a folder, in Perl. `$d` is the folder of staged files, and
/// `$v` belongs to root.
const ATTACKS: [(&str, &str); 4] = [
    (
        "a folder is exchanged for a link",
        r#"rename($d, "$d-away") or mkdir("$d-away"); symlink($v, $d); select(undef,undef,undef,rand()/500); unlink($d); rename("$d-away", $d);"#,
    ),
    (
        "a staged file is exchanged for a link",
        r#"mkdir($d); my $s = "$d/.kcm-stage"; mkdir($s); for my $f ("$s/file", "$d/file", "$d/kept/file", "$d/note") { unlink($f); symlink("/etc/shadow", $f); }"#,
    ),
    (
        "the stage folder is exchanged for a link",
        r#"mkdir($d); my $s = "$d/.kcm-stage"; rename($s, "$d/x".rand()); symlink($v, $s); select(undef,undef,undef,rand()/500); unlink($s);"#,
    ),
    (
        "a folder is made first where everybody can make one",
        r#"symlink($v, "/srv/shared/site"); select(undef,undef,undef,rand()/500); unlink("/srv/shared/site");"#,
    ),
];

#[test]
fn a_neighbour_who_exchanges_folders_and_links_gains_nothing() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    let master = master(machine);
    let prepare = "mkdir -p /etc/victim /srv/theirs /srv/shared && echo precious >/etc/victim/file && \
                   cp /bin/true /etc/victim/program && chmod 1777 /srv/shared && chown 1999:1999 /srv/theirs";
    machine.run(&["sh", "-c", prepare]);
    let state = || {
        let all =
            "stat -c '%n %U %a %s %Z' /etc/shadow /etc/victim /etc/victim/*; ls -A /etc/victim";
        machine.output(&["sh", "-c", all])
    };
    let before = state();
    for (name, attack) in ATTACKS {
        let folder =
            if attack.contains("/srv/shared") { "/srv/shared/site" } else { "/srv/theirs/site" };
        let script = format!("my ($d, $v) = ('{folder}', '/etc/victim'); while (1) {{ {attack} }}");
        let ids = ["--reuid", NEIGHBOUR, "--regid", NEIGHBOUR, "--clear-groups"];
        let words: Vec<_> =
            ["setpriv"].into_iter().chain(ids).chain(["perl", "-e", &script]).collect();
        let mut neighbour = machine.command(&words).spawn().unwrap();
        for round in 0..ROUNDS {
            for operation in changes(folder) {
                let what = operation.name();
                let replies = on(&master, master.call(&Batch::new(vec![operation]))).unwrap();
                let failed = replies
                    .failed
                    .unwrap_or_else(|| panic!("{name}, round {round}: {what} was done"));
                assert!(!failed.error.to_string().is_empty());
            }
        }
        neighbour.kill().unwrap();
        neighbour.wait().unwrap();
        machine.output(&["pkill", "-KILL", "-u", NEIGHBOUR]);
        assert_eq!(state(), before, "{name}");
    }
}

/// Returns every operation that writes, renames, removes or changes the owner of a file below
/// `folder`.
fn changes(folder: &str) -> Vec<Operation> {
    let below = |name: &str| remote(&format!("{folder}/{name}"));
    let (file, note) = (below("file"), below("note"));
    let owner = Owner { uid: 1999, gid: 1999 };
    let staged = StagedFile {
        target: file.clone(),
        content: Bytes::new(*b"key"),
        mode: Mode::PRIVATE,
        owner,
    };
    let attributes = Attributes { path: file.clone(), mode: Mode::PROGRAM, owner: Some(owner) };
    let keep = Keep { path: file.clone(), at: below("kept/file") };
    let commit = |commit: Commit| Operation::Commit(commit);
    vec![
        Operation::Stage(Stage { files: vec![staged], kept: vec![] }),
        commit(Commit { files: vec![file.clone()], ..Commit::default() }),
        commit(Commit { keep: vec![keep], ..Commit::default() }),
        commit(Commit { attributes: vec![attributes], ..Commit::default() }),
        commit(Commit { remove: vec![file.clone()], ..Commit::default() }),
        commit(Commit { leftovers: vec![below(".kcm-stage")], ..Commit::default() }),
        Operation::Unstage(Unstage {
            targets: vec![file.clone()],
            folders: vec![remote(folder), below("deep")],
        }),
        Operation::NoteProgram(NoteProgram { program: file, note, digest: true }),
    ]
}
