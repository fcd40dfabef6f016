use proptest::prelude::*;

use super::*;
use crate::{Argument, ControllerManagerUnit, ExecutablePath, FlagName, Flags, Key, Value};

fn codes(text: impl AsRef<[u8]>) -> Vec<(usize, FindingCode)> {
    UnitFile::parse(text).findings.iter().map(|finding| (finding.line, finding.code)).collect()
}

fn entries(text: impl AsRef<[u8]>) -> Vec<(usize, String)> {
    let file = UnitFile::parse(text);
    file.entries.iter().map(|e| (e.line, format!("{}.{}={}", e.section, e.key, e.value))).collect()
}

fn numbered(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected.iter().map(|&(line, text)| (line, text.to_owned())).collect()
}

const TUTORIAL: &str = include_str!("../../testdata/k8s-master-01.service");

#[test]
fn the_tutorial_is_read_without_findings() {
    let file = UnitFile::parse(TUTORIAL);
    assert_eq!(file.findings, []);
    assert_eq!(file.value("Service", "Restart"), Some("always"));
    let commands: Vec<_> = file.commands("ExecStart").collect();
    let [(6, line)] = &commands[..] else { panic!("{commands:?}") };
    let [command] = &line.commands[..] else { panic!("{line:?}") };
    assert_eq!(command.executable, b"/opt/kubernetes/bin/kube-controller-manager");
    assert_eq!(command.arguments.len(), 16);
    assert_eq!(command.arguments[15].to_str(), Some("--v=2"));
}

#[test]
fn an_empty_line_inside_a_command_ends_it() {
    let text =
        "[Service]\nExecStart=/bin/a \\\n  --b=1 \\\n\n  --c=2 \\\n  --d=3\nRestart=always\n";
    assert_eq!(
        entries(text),
        numbered(&[(2, "Service.ExecStart=/bin/a    --b=1"), (7, "Service.Restart=always")])
    );
    assert_eq!(
        codes(text),
        [(4, FindingCode::EmptyLineEndsDirective), (5, FindingCode::UnknownKey)]
    );
    // Nothing is lost if a directive or the end of the file follows.
    assert_eq!(codes("[Service]\nExecStart=/bin/a \\\n\nRestart=always\n"), []);
    assert_eq!(codes("[Service]\nExecStart=/bin/a \\\n\n"), []);
}

#[test]
fn a_blank_after_a_backslash_ends_the_command() {
    let text = "[Service]\nExecStart=/bin/a \\ \n  --b=1\nRestart=always\n";
    let expected = [
        (2, FindingCode::UnknownEscape),
        (2, FindingCode::BlankAfterBackslash),
        (3, FindingCode::UnknownKey),
    ];
    let mut found = codes(text);
    found.sort_by_key(|(line, code)| (*line, code.as_str() == "blank-after-backslash"));
    assert_eq!(found, expected);
    // systemd keeps the backslash as a separate argument.
    let (_, line) = UnitFile::parse(text).commands("ExecStart").next().unwrap();
    assert_eq!(line.commands[0].arguments, [Argument::try_from("\\").unwrap()]);
}

#[test]
fn a_backslash_after_the_last_argument_swallows_the_next_directive() {
    let text = "[Service]\nExecStart=/bin/a \\\n  --v=2 \\\nRestart=always\nRestartSec=5 \\\n\n[Install]\n";
    assert_eq!(entries(text)[0].1, "Service.ExecStart=/bin/a    --v=2  Restart=always");
    assert_eq!(codes(text), [(4, FindingCode::SwallowedLine)]);
    let header = "[Service]\nRestartSec=5 \\\n[Install]\nWantedBy=multi-user.target\n";
    assert_eq!(codes(header), [(3, FindingCode::SwallowedLine), (4, FindingCode::UnknownKey)]);
}

#[test]
fn comments_are_whole_lines() {
    let text = "# a\n[Unit]\n ; b\n[Service]\nExecStart=/bin/a \\\n# c \\\n  --b # d\nRestart=no # e\nUser=a#b\n";
    assert_eq!(entries(text)[0], (5, "Service.ExecStart=/bin/a    --b # d".into()));
    assert_eq!(codes(text), [(5, FindingCode::CommentInValue), (8, FindingCode::CommentInValue)]);
}

#[test]
fn what_stands_in_the_wrong_place_is_reported() {
    let text = "Type=simple\n[service]\nType=simple\n[X-Mine]\nAnything\n[Service]\nno equals\n=x\nrestart=no\nX-a=1\n";
    assert_eq!(entries(text), numbered(&[(10, "Service.X-a=1")]));
    assert_eq!(
        codes(text),
        [
            (1, FindingCode::OutsideSection),
            (2, FindingCode::UnknownSection),
            (7, FindingCode::MissingEquals),
            (8, FindingCode::MissingKey),
            (9, FindingCode::UnknownKey),
        ]
    );
    let findings = UnitFile::parse(text).findings;
    assert_eq!((findings[1].nearest, findings[4].nearest), (Some("Service"), Some("Restart")));
}

#[test]
fn what_systemd_refuses_does_not_load() {
    for (text, code) in [
        (&b"[Service\n"[..], FindingCode::BadSectionHeader),
        (b"[Service] # x\n", FindingCode::BadSectionHeader),
        (b"[Ser\"vice]\n", FindingCode::BadSectionHeader),
        (b"[Service]\nUser=\xff\n", FindingCode::NotUtf8),
        (b"[Service]\nUser=\xef\xbf\xbf\n", FindingCode::NotUtf8),
        (b"[Service]\nExecStart=bin/a\n", FindingCode::BadExecutable),
    ] {
        let file = UnitFile::parse(text);
        assert_eq!(file.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), [code]);
        assert!(!file.loads());
    }
    assert!(UnitFile::parse(b"# \xff\n[Service]\nExecStart=/bin/a\n").loads());
}

#[test]
fn an_empty_assignment_resets() {
    let text = "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\nUser=x\nUser=y\nGroup=z\nGroup=\n";
    let file = UnitFile::parse(text);
    let commands: Vec<_> =
        file.commands("ExecStart").map(|(line, command)| (line, command.commands.len())).collect();
    assert_eq!(commands, [(4, 1)]);
    assert_eq!(file.value("Service", "User"), Some("y"));
    assert_eq!(file.value("Service", "Group"), None);
    assert_eq!(file.value("Unit", "User"), None);
}

#[test]
fn carriage_returns_and_a_byte_order_mark_do_no_harm() {
    let text = format!("\u{feff}{}", TUTORIAL.replace('\n', "\r\n"));
    let file = UnitFile::parse(&text);
    assert_eq!(file, UnitFile::parse(TUTORIAL));
}

fn value() -> impl Strategy<Value = Value> {
    "[ -~é%\\\\]{0,20}".prop_filter_map("no value", |text| Value::parse(&text).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_file_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = UnitFile::parse(bytes);
    }

    #[test]
    fn no_pieces_of_a_unit_make_the_reader_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "[Service]", "[X]", "ExecStart=", "/bin/a", "\\", "\n", "\r", "\0", " ", "\"", "'", "%", "$", "{", "=",
            "#", ";", "\u{feff}", "é", "[", "]", "Restart=", "x",
        ]), 0..60),
    ) {
        let text = pieces.concat();
        let file = UnitFile::parse(&text);
        // The lines exist and are in order.
        let last = text.split(['\n', '\r', '\0']).count();
        prop_assert!(file.findings.iter().all(|finding| (1..=last).contains(&finding.line)));
        prop_assert!(file.findings.is_sorted_by_key(|finding| finding.line));
    }

    #[test]
    fn what_is_written_is_read_back(values in prop::collection::vec(value(), 1..6)) {
        let key = Key::parse("Description").unwrap();
        let directives = values.into_iter().map(|value| Directive { key: key.clone(), value }).collect();
        let unit = Unit { sections: vec![Section { name: SectionName::parse("Unit").unwrap(), directives }] };
        prop_assert_eq!(UnitFile::parse(unit.render()).to_unit().unwrap(), unit);
    }

    #[test]
    fn the_process_receives_the_flags_that_were_set(
        values in prop::collection::btree_map("[a-z][a-z0-9]{0,3}", any::<String>(), 0..8),
        path in "/[a-z%$; é]{0,6}[a-z]",
    ) {
        let mut flags = Flags::new();
        for (name, value) in values {
            flags.set(FlagName::parse(&name).unwrap(), value.replace('\0', "")).unwrap();
        }
        let executable = ExecutablePath::try_from(path.as_str()).unwrap();
        let unit = ControllerManagerUnit::new(executable, flags.clone());
        let file = UnitFile::parse(unit.render());
        prop_assert_eq!(&file.findings, &[]);
        let commands: Vec<_> = file.commands("ExecStart").flat_map(|(_, line)| line.commands).collect();
        prop_assert_eq!(commands.len(), 1);
        prop_assert_eq!(&commands[0].executable, path.as_bytes());
        prop_assert_eq!(&commands[0].arguments, &flags.arguments().collect::<Vec<_>>());
        prop_assert_eq!(file.to_unit().unwrap(), unit.unit());
    }
}
