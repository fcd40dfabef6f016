use super::*;

#[test]
fn a_unit_has_the_object_path_that_systemd_gives_it() {
    let unit: UnitName = "kube-controller-manager.service".parse().unwrap();
    let path = "/org/freedesktop/systemd1/unit/kube_2dcontroller_2dmanager_2eservice";
    assert_eq!(bus_path(&unit), path);
}

#[test]
fn nothing_happens_before_the_last_line() {
    let batch = Batch::new(vec![Operation::Unit(UnitAction::Reload)]);
    let script = Script::of(&batch, "the-end").unwrap();
    assert!(
        script.text.ends_with("\nmanager systemd daemon-reload\nfinish\n}\n{ answer the-end; }\n")
    );
}

/// Runs the first bytes of a script as a master does, in common implementations of `sh`.
fn run_cut(text: &str, length: usize) {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    for shell in ["sh", "bash"] {
        let line = format!("eval \"$(head -c {})\"", text.len());
        let mut command = Command::new(shell);
        command.args(["-c", &line]).stdin(Stdio::piped());
        // A shell that is not installed is skipped.
        let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            continue;
        };
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(&text.as_bytes()[..length]);
        drop(stdin);
        child.wait().unwrap();
    }
}

#[test]
fn a_script_that_is_cut_off_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| RemotePath::new(folder.path().join(name).to_str().unwrap()).unwrap();
    let (stage, target) = (folder.path().join(".kcm-stage"), folder.path().join("file"));
    std::fs::create_dir(&stage).unwrap();
    std::fs::write(stage.join("file"), "new").unwrap();
    std::fs::write(&target, "old").unwrap();
    let commit = Commit { expected: vec![], files: vec![path("file")], ..Commit::default() };
    let argv = vec!["touch".to_owned(), path("touched").as_str().to_owned()];
    let exec = Exec { argv, stdin: zeroize::Zeroizing::new(Vec::new()) };
    let batch = Batch::new(vec![Operation::Exec(exec), Operation::Commit(commit)]);
    let script = Script::of(&batch, "kcm-0123456789abcdef01234567").unwrap();
    let lock = Script::of_lock("somebody on a machine").unwrap();
    for text in [script.text, lock.text] {
        // The last two bytes are the brace that completes the command, and a newline.
        let end = text.len() - 2;
        for length in (0..end).step_by(397).chain(end.saturating_sub(90)..=end) {
            run_cut(&text, length);
            let names = std::fs::read_dir(folder.path()).unwrap();
            assert_eq!(names.count(), 2, "after {length} bytes");
            assert_eq!(std::fs::read(&target).unwrap(), b"old", "after {length} bytes");
        }
    }
}
