use proptest::prelude::*;

use super::*;
use crate::argument::quote_argument;
use crate::finding::Effect;

fn codes(line: &CommandLine) -> Vec<FindingCode> {
    line.findings.iter().map(|finding| finding.code).collect()
}

fn arguments(value: &str) -> Vec<Vec<u8>> {
    let line = CommandLine::parse(value);
    assert_eq!(line.commands.len(), 1, "{value}");
    line.commands[0].arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect()
}

#[test]
fn a_command_comes_apart_into_executable_and_arguments() {
    let line = CommandLine::parse(r#"/bin/echo  a "b c" 'd' "" \x41 50%% $$HOME e\;f "#);
    assert_eq!(line.findings.len(), 1);
    assert_eq!(line.commands[0].executable, b"/bin/echo");
    assert_eq!(
        arguments(r#"/bin/echo  a "b c" 'd' "" \x41 50%% $$HOME "#),
        [&b"a"[..], b"b c", b"d", b"", b"A", b"50%", b"$HOME"]
    );
}

#[test]
fn prefixes_come_in_any_order_and_count_once() {
    let line = CommandLine::parse("-@:!!/bin/echo name $$x");
    let command = &line.commands[0];
    let expected = Prefixes {
        ignore_failure: true,
        no_expansion: true,
        separate_argv0: true,
        privileges: Privileges::Ambient,
    };
    assert_eq!(command.prefixes, expected);
    assert_eq!(command.argv0.as_ref().unwrap().as_bytes(), b"name");
    assert_eq!(command.arguments[0].as_bytes(), b"$$x");
    assert_eq!(CommandLine::parse("+/bin/a").commands[0].prefixes.privileges, Privileges::Full);
    assert_eq!(codes(&CommandLine::parse("+!/bin/a")), [FindingCode::BadExecutable]);
    assert_eq!(codes(&CommandLine::parse("@/bin/a")), [FindingCode::BadExecutable]);
}

#[test]
fn a_lone_semicolon_separates_commands() {
    let line = CommandLine::parse(r#"/bin/a x ; /bin/b ; ; /bin/c \; ";" ;y"#);
    let executables: Vec<_> =
        line.commands.iter().map(|command| command.executable.as_slice()).collect();
    assert_eq!(executables, [b"/bin/a", b"/bin/b", b"/bin/c"]);
    let last: Vec<_> =
        line.commands[2].arguments.iter().map(|argument| argument.to_str().unwrap()).collect();
    assert_eq!(last, [";", ";", ";y"]);
    assert_eq!(codes(&line), [FindingCode::SeveralCommands; 2]);
}

#[test]
fn references_stay_as_they_are_and_are_named() {
    let line = CommandLine::parse("/bin/a %n ${HOME} $ARGS x$y %%n");
    assert_eq!(
        arguments("/bin/a %n ${HOME} $ARGS x$y %%n"),
        [&b"%n"[..], b"${HOME}", b"$ARGS", b"x$y", b"%n"]
    );
    let subjects: Vec<_> = line.findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["%n", "${HOME}", "$ARGS", "$y"]);
    assert!(line.loads());
}

#[test]
fn what_systemd_refuses_is_a_finding() {
    for (value, code) in [
        ("bin/a", FindingCode::BadExecutable),
        ("/bin/", FindingCode::BadExecutable),
        (r#""/bin/it's""#, FindingCode::BadExecutable),
        ("/bin/a %z", FindingCode::UnknownSpecifier),
        ("/bin/%z", FindingCode::UnknownSpecifier),
        ("/bin/a \"b", FindingCode::UnbalancedQuotes),
        ("-/bin/a \"b", FindingCode::IgnoredCommand),
        ("-/bin/", FindingCode::IgnoredCommand),
        ("\"/bin/a", FindingCode::CommandDropped),
    ] {
        let line = CommandLine::parse(value);
        assert_eq!(codes(&line), [code], "{value}");
        assert_eq!(line.loads(), code.effect() != Effect::Refused, "{value}");
        assert!(line.commands.is_empty(), "{value}");
    }
}

#[test]
fn what_is_kept_but_odd_is_a_finding() {
    let line = CommandLine::parse(r"/bin/a \q # comment");
    assert_eq!(codes(&line), [FindingCode::UnknownEscape, FindingCode::CommentInValue]);
    assert_eq!(line.commands[0].arguments.len(), 3);
    assert_eq!(
        codes(&CommandLine::parse("kube-controller-manager")),
        [FindingCode::SearchedExecutable]
    );
    assert_eq!(CommandLine::parse(""), CommandLine::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_quoted_argument_is_read_back_verbatim(bytes in argument_bytes()) {
        let argument = Argument::new(bytes).unwrap();
        let line = CommandLine::parse(&format!("/bin/a {} end", quote_argument(&argument)));
        prop_assert_eq!(&line.findings, &[]);
        let end = Argument::new("end").unwrap();
        prop_assert_eq!(&line.commands[0].arguments, &[argument, end]);
    }

    #[test]
    fn no_value_makes_the_reader_panic(value in "\\PC*|[-@:+!/a ;\"'\\\\%$xu0{}#]*") {
        let _ = CommandLine::parse(&value);
    }
}

/// Generates arbitrary bytes, text, and characters that are special in systemd.
fn argument_bytes() -> impl Strategy<Value = Vec<u8>> {
    let special =
        prop::sample::select(b" \t\r\n\"'\\%$;#{}n0xu\x01\x7f\xc2\x85\xef\xbf\xbe\xff".to_vec());
    prop_oneof![
        prop::collection::vec(1..=u8::MAX, 0..40),
        any::<String>().prop_map(|text| text.replace('\0', "").into_bytes()),
        prop::collection::vec(special, 0..12),
    ]
}
