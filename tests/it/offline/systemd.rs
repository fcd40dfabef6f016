//! Tests of units and links, verified by systemd.

mod argv;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kcm_systemd::{Argument, ControllerManagerUnit, ExecutablePath, Flags, quote_argument};
use kcm_tests::{Tree, Workspace, peers, unit_of};
use proptest::prelude::*;

pub(crate) use argv::{argv, has_systemd, loaded_argv};
use argv::{lossy, raw_argv};

const MASTERS: [&str; 3] = ["k8s-master-01", "k8s-master-02", "k8s-master-03"];
const UNIT: &str = "kube-controller-manager.service";
const UNIT_FOLDER: &str = "etc/systemd/system";
const EXECUTABLE: &str = "opt/kubernetes/bin/kube-controller-manager";
/// Targets that every service needs to be loaded in an otherwise empty root.
const TARGETS: [&str; 5] =
    ["sysinit.target", "basic.target", "shutdown.target", "multi-user.target", "default.target"];

fn unit_on(workspace: &Workspace, master: &str) -> String {
    workspace.read(&format!("out/{master}/{UNIT_FOLDER}/{UNIT}"))
}

#[test]
fn the_units_are_the_tutorials_to_the_byte() {
    let workspace = Workspace::new();
    workspace.apply();
    for (index, master) in MASTERS.iter().enumerate() {
        assert_eq!(unit_on(&workspace, master), unit_of(index + 1), "{master}");
    }
}

#[test]
fn systemd_analyze_has_nothing_to_say_about_the_units() {
    if !peers::has("systemd-analyze") {
        return;
    }
    let workspace = Workspace::new();
    workspace.apply();
    for master in MASTERS {
        furnish(&workspace, master);
        assert_eq!(verify(&workspace, master), (0, String::new()), "{master}");
    }
    let broken = unit_on(&workspace, MASTERS[0]).replace("RestartSec=5", "RestartSecs=5");
    workspace.write(&format!("out/{}/{UNIT_FOLDER}/{UNIT}", MASTERS[0]), broken);
    let (_, complaint) = verify(&workspace, MASTERS[0]);
    assert!(complaint.contains("Unknown key 'RestartSecs'"), "{complaint}");
}

/// Adds the files of an image, so that systemd can verify the unit as written.
fn furnish(workspace: &Workspace, master: &str) {
    for target in TARGETS {
        workspace.write(&format!("out/{master}/{UNIT_FOLDER}/{target}"), "[Unit]\n");
    }
    workspace.write(&format!("out/{master}/{EXECUTABLE}"), "#!/bin/true\n");
    let executable = workspace.on_master(master, EXECUTABLE);
    fs::set_permissions(executable, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns exit code and output of `systemd-analyze verify`.
fn verify(workspace: &Workspace, master: &str) -> (i32, String) {
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--root"]).arg(workspace.on_master(master, "")).arg(UNIT);
    let output = peers::output(&mut command);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

const SYSTEMD_SECTION: &str = r"systemd:
  user: kube-controller-manager
  group: kube
  hardening: strict
  directives:
    Unit: {After: network-online.target}
    Service:
      LimitNOFILE: 65536
      Environment: [GOGC=50, GOMEMLIMIT=512MiB]
    Install: {Alias: kcm.service}
";

/// Directives of `[Service]` after the tutorial's own, with that section.
const SERVICE: &str = "\
User=kube-controller-manager
Group=kube
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictSUIDSGID=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
UMask=0077
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
LimitNOFILE=65536
Environment=GOGC=50
Environment=GOMEMLIMIT=512MiB
";

#[test]
fn what_the_systemd_section_says_stands_after_the_tutorials_own() {
    let workspace = Workspace::new();
    workspace.edit("masters:\n", &format!("{SYSTEMD_SECTION}masters:\n"));
    workspace.apply();
    for (index, master) in MASTERS.iter().enumerate() {
        let expected = unit_of(index + 1)
            .replace("\n\n[Service]\n", "\nAfter=network-online.target\n\n[Service]\n")
            .replace("RestartSec=5\n", &format!("RestartSec=5\n{SERVICE}"));
        assert_eq!(
            unit_on(&workspace, master),
            format!("{expected}Alias=kcm.service\n"),
            "{master}"
        );
        let alias = workspace.on_master(master, UNIT_FOLDER).join("kcm.service");
        assert_eq!(fs::read_link(alias).unwrap(), Path::new("/").join(UNIT_FOLDER).join(UNIT));
    }
    let again = workspace.apply().stdout;
    assert!(again.starts_with("Nothing to do"), "{again}");
}

#[test]
fn systemd_analyze_finds_a_hardened_service_little_exposed_and_well_written() {
    if !peers::has("systemd-analyze") {
        return;
    }
    let exposure = |section: &str| {
        let workspace = Workspace::one_master();
        workspace.edit("masters:\n", &format!("{section}masters:\n"));
        workspace.apply();
        furnish(&workspace, MASTERS[0]);
        assert_eq!(verify(&workspace, MASTERS[0]), (0, String::new()), "{section}");
        exposure(&workspace.on_master(MASTERS[0], UNIT_FOLDER).join(UNIT))
    };
    for (section, is_low) in [
        (SYSTEMD_SECTION, true),
        ("systemd: {hardening: strict}\n", true),
        ("systemd: {user: kube}\n", false),
    ] {
        let (found, exposure) = exposure(section);
        println!("{exposure}: {section}");
        assert_eq!(found, is_low, "{exposure}: {section}");
    }
}

/// Reports whether `systemd-analyze security` finds an exposure of at most 2.0, and the exposure.
fn exposure(unit: &Path) -> (bool, String) {
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--no-pager", "--offline=true", "--threshold=20"]).arg(unit);
    let output = peers::output(&mut command);
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, exposure) = text.rsplit_once(": ").unwrap();
    (output.status.success(), exposure.trim().to_owned())
}

#[test]
fn the_enabled_unit_is_what_systemctl_enable_makes() {
    if !peers::has("systemctl") {
        return;
    }
    let workspace = Workspace::new();
    workspace.apply();
    let systemctl = |master: &str, verb: &str| {
        let mut command = Command::new("systemctl");
        command
            .arg(format!("--root={}", workspace.on_master(master, "").display()))
            .args([verb, UNIT]);
        peers::output(&mut command)
    };
    for master in MASTERS {
        let ours = Tree::of(&workspace.on_master(master, "")).content();
        let printed = systemctl(master, "is-enabled");
        assert_eq!(
            (printed.status.code(), &*printed.stdout),
            (Some(0), &b"enabled\n"[..]),
            "{master}"
        );

        let wants = workspace.on_master(master, UNIT_FOLDER).join("multi-user.target.wants");
        fs::remove_dir_all(&wants).unwrap();
        assert_ne!(Tree::of(&workspace.on_master(master, "")).content(), ours, "{master}");
        assert!(systemctl(master, "enable").status.success(), "{master}");
        assert_eq!(Tree::of(&workspace.on_master(master, "")).content(), ours, "{master}");
    }
}

#[test]
fn hostile_flags_of_the_cluster_file_reach_the_process_verbatim() {
    if !has_systemd() {
        return;
    }
    let values = hostile_values();
    assert!(values.len() > 300, "{}", values.len());
    let workspace = Workspace::new();
    // Every character is escaped, because this test is not about plain scalars of YAML.
    let escape = |c: char| format!("\\U{:08x}", u32::from(c));
    let flags = values.iter().enumerate().map(|(index, value)| {
        let escaped = value.chars().map(escape).collect::<Vec<_>>().concat();
        format!("    x-{index:03}: \"{escaped}\"\n")
    });
    let flags = flags.collect::<Vec<_>>().concat();
    let allow = "lint: {allow: [{code: flag-unknown, reason: the names are made up}]}\n";
    workspace
        .edit("masters:\n", &format!("{allow}controllerManager:\n  flags:\n{flags}masters:\n"));
    workspace.apply();

    let argv = argv(&unit_on(&workspace, MASTERS[0]));
    let tutorials = unit_of(1).matches("\n  --").count();
    assert_eq!(argv.len(), 1 + tutorials + values.len());
    let received: Vec<_> = argv.iter().filter(|argument| argument.starts_with(b"--x-")).collect();
    let given = values.iter().enumerate();
    let given: Vec<_> =
        given.map(|(i, value)| format!("--x-{i:03}={value}").into_bytes()).collect();
    for (received, given) in received.into_iter().zip(&given) {
        assert_eq!(lossy(received), lossy(given));
        assert_eq!(received, given);
    }
}

/// Returns every ASCII character except NUL, alone and between others, and texts that are special
/// in systemd, a shell or YAML.
fn hostile_values() -> Vec<String> {
    let ascii = ('\u{1}'..='\u{7F}').flat_map(|c| [c.to_string(), format!("a{c}b {c}{c}")]);
    let long = ["a b'\"".repeat(500), "%".repeat(3000), "\\".repeat(3000), "é ".repeat(2000)];
    ascii.chain(SHORT.iter().chain(TELLING).map(|&text| text.to_owned())).chain(long).collect()
}

#[rustfmt::skip]
const SHORT: &[&str] = &[
    "", "  ", "a\n", "\na", "a\r\nb", "a\n\nb", "a\\", "\\\\", "a \\\n b", "\\n", "\\x41", "\\101", "''", "\"\"",
    "'a'", "\"a\"", "a'b\"c", "'\"'", "$$", "$HOME", "${HOME}", "$$HOME", "$1", "\\$HOME", "${", "$}", "%%", "%n",
    "%%n", "%i", "%h", "100%", "%Z", "%{x}", " ; ", "a;b", "a ; b", "\\;", "a #b", "==", "--x=y", "a=b=c", "--",
    "@/bin/sh", "!!", "&&", "`id`", "$(id)", "[a]", "{a,b}", "é", "日本語", "😀", "null", "true", "0x1F", "1_000",
];

const TELLING: &[&str] = &[
    "\\u00e9",
    "a\u{300}",
    "\u{A0}",
    "\u{85}",
    "\u{2028}",
    "\u{FEFF}",
    "\u{200B}",
    "\u{E000}",
    "\u{10FFFF}",
    "\u{8}\u{7}\u{C}\u{B}",
    "\u{1B}[31m",
    "; /bin/sh -c id",
    "# no comment",
    "> /tmp/x",
    "[Service]",
    "\n[Service]\nUser=root",
    "\nExecStart=/bin/sh",
    "nodes=a b,c",
    "{\"a\": \"b\\\"c\"}",
    "C:\\Windows\\new",
];

#[test]
fn hostile_executables_are_found_verbatim() {
    if !has_systemd() {
        return;
    }
    for path in [
        "/opt/kubernetes/bin/kube-controller-manager",
        "/opt/a b/kube controller",
        "/opt/%n/%%/100%",
        "/opt/$HOME/${x}/$$",
        "/opt/;/#/a=b",
        "/opt/日本/é😀",
        "/opt/@+-:!|",
    ] {
        let executable = ExecutablePath::try_from(path).unwrap();
        let unit = ControllerManagerUnit::new(executable, Flags::new()).render();
        let argv = raw_argv(&unit);
        assert_eq!(argv.iter().map(|word| lossy(word)).collect::<Vec<_>>(), [path]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_reach_the_process_verbatim(arguments in prop::collection::vec(argument(), 400)) {
        if !has_systemd() {
            return Ok(());
        }
        let quote = |bytes: &Vec<u8>| quote_argument(&Argument::new(bytes.clone()).unwrap());
        let command = arguments.iter().map(quote).collect::<Vec<_>>().join(" \\\n  ");
        let received = argv(&format!("[Service]\nExecStart=/bin/x {command}\n"));
        prop_assert_eq!(received.len(), 1 + arguments.len());
        for (received, given) in received[1..].iter().zip(&arguments) {
            prop_assert_eq!(received, given);
        }
    }
}

/// Returns arguments: mostly characters that are special in systemd, sometimes any bytes except
/// NUL.
fn argument() -> impl Strategy<Value = Vec<u8>> {
    let special =
        " \t\n\r\\'\"$%;#{}abx01@+-:!=é日\u{85}\u{A0}\u{7F}\u{1}".chars().collect::<Vec<_>>();
    prop_oneof![
        3 => prop::collection::vec(prop::sample::select(special), 0..12).prop_map(|c| String::from_iter(c).into_bytes()),
        1 => prop::collection::vec(1_u8.., 0..40),
    ]
}
