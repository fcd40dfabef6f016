//! `kcm unit check` reports the arguments with which systemd starts a process.

use std::fs;

use kcm_tests::lab::{LabCluster, Machine, Variant};
use kcm_tests::{CommandOutput, Workspace};
use serde_json::Value;

/// A unit with its drop-ins and its environment file.
struct Case {
    name: &'static str,
    unit: &'static str,
    drop_ins: &'static [(&'static str, &'static str)],
    environment: &'static str,
}

/// A command that stays a shell with all further arguments. Cases write `SHELL` for it.
const SHELL: &str = "/bin/sh -c \"sleep infinity; :\" kcm";

const CASES: [Case; 6] = [
    Case {
        name: "quoted",
        unit: "ExecStart=SHELL \"two words\" 'a \"b\" c' --a=\"b c\" '--x=y z' \"\" '' \\x41\\u00e9\\t \\\"q %% %n %N %p a%pb $$HOME \"$$ %%\" ä\n",
        drop_ins: &[],
        environment: "",
    },
    Case {
        name: "lines",
        unit: "ExecStart=SHELL --one \\\n  # a comment\n  --two=2 \\\n  ; another comment\n\t--three \"a \\\n b\" \\\n\n  --lost=1\n",
        drop_ins: &[],
        environment: "",
    },
    Case {
        name: "variables",
        unit: "Environment=\"ONE=a b\" TWO=c 'THREE=d \"e f\" g'\nExecStart=SHELL $ONE ${ONE} x$TWO x${TWO}y $THREE ${THREE} \"$ONE\" $NONE ${NONE} --v=${NONE} end\n",
        drop_ins: &[],
        environment: "",
    },
    Case {
        name: "files",
        unit: "Environment=V=9\nEnvironmentFile=-/etc/kubernetes/none.env\nEnvironmentFile=/etc/kubernetes/files.env\nExecStart=SHELL --v=${V} $ARGS ${ARGS} $QUOTED $LONG ${SPACES} $EXPORTED end\n",
        drop_ins: &[],
        environment: "# flags\n; more\nV=3\nARGS=\"--profiling=false \\\n  --feature-gates=AllAlpha=false,'AllBe'ta=false --name=a\\b\"\nQUOTED='--a=b c' \nLONG=--one \\\n--two\nSPACES=  x  y  \nexport EXPORTED=1\n",
    },
    Case {
        name: "drop-ins",
        unit: "Environment=V=1 W=1\nExecStart=SHELL --of-the-unit\n",
        drop_ins: &[
            (
                "10-command.conf",
                "[Service]\nExecStart=\nExecStart=SHELL --v=${V} --w=${W} $MORE '%p'\n",
            ),
            ("20-more.conf", "[Service]\nEnvironment=V=2 \"MORE=--a 'b c' --d\"\n"),
            ("30-file.conf", "[Service]\nEnvironmentFile=/etc/kubernetes/drop-ins.env\n"),
            ("40-ignored.txt", "[Service]\nExecStart=\n"),
        ],
        environment: "W=\"from the file\"\n",
    },
    Case {
        name: "prefixes",
        unit: "Environment=V=1\nExecStart=:-SHELL $V ${V} $$V \"a b\"\n",
        drop_ins: &[],
        environment: "",
    },
];

impl Case {
    /// Path of the unit on the machine.
    fn path(&self) -> String {
        format!("/etc/systemd/system/{}.service", self.name)
    }

    fn install(&self, machine: &Machine) {
        let write = |path: &str, text: &str| {
            let file = machine.file(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text.replace("SHELL", SHELL)).unwrap();
        };
        write(&self.path(), &format!("[Service]\nType=exec\n{}", self.unit));
        for (name, text) in self.drop_ins {
            write(&format!("{}.d/{name}", self.path()), text);
        }
        write(&format!("/etc/kubernetes/{}.env", self.name), self.environment);
    }

    /// Returns executable and arguments as kcm reports them.
    fn reported(&self, machine: &Machine) -> Vec<String> {
        let (unit, root) = (machine.file(&self.path()), machine.root());
        let (unit, root) = (unit.display().to_string(), root.display().to_string());
        let check = ["unit", "check", &unit, "--root", &root, "-o", "json"];
        let CommandOutput { stdout, stderr, .. } = Workspace::empty().kcm(&check);
        let document: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
        let commands = document["units"][0]["commands"].as_array().unwrap();
        let [command] = &commands[..] else { panic!("{}: {stdout}", self.name) };
        let arguments = command["arguments"].as_array().unwrap();
        let words = [&command["executable"]].into_iter().chain(arguments);
        words.map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    /// Starts the unit, and returns the arguments of its process.
    fn received(&self, machine: &Machine) -> Vec<String> {
        let service = format!("{}.service", self.name);
        machine.output(&["systemctl", "start", &service]);
        let process = machine.output(&["systemctl", "show", "-P", "MainPID", &service]);
        let line = machine.output(&["cat", &format!("/proc/{}/cmdline", process.trim())]);
        let line = line.strip_suffix('\0').unwrap();
        line.split('\0').map(str::to_owned).collect()
    }
}

#[test]
fn a_check_reports_the_arguments_that_a_process_of_systemd_receives() {
    let Some(lab) = LabCluster::up(&[Variant::new()]) else { return };
    let machine = lab.machine(0);
    for case in &CASES {
        case.install(machine);
    }
    machine.output(&["systemctl", "daemon-reload"]);
    for case in &CASES {
        let (reported, received) = (case.reported(machine), case.received(machine));
        assert!(received.len() > 5, "{}: {received:?}", case.name);
        assert_eq!(reported, received, "{}", case.name);
    }
}
