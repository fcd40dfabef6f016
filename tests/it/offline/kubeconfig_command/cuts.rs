//! `kcm kubeconfig build` that is killed at any system call.

use std::fs;
use std::process::Command;

use kcm_tests::{kcm, peers};

use super::{arguments, build, built, workspace};

/// System calls by which `kcm` changes something.
const CHANGES: &str = "write,fsync,rename,link,linkat,mkdir,chmod,fchmod,unlink,rmdir,openat";

#[test]
fn killed_before_any_system_call_the_file_is_old_or_new_and_the_next_run_finishes() {
    if !peers::has("strace") {
        return;
    }
    let workspace = workspace();
    let new = built(&workspace, "new/x");
    let old = new.replace("192.168.1.210", "192.168.1.211");
    for has_old in [true, false] {
        let mut cuts = 0;
        for cut in 1.. {
            fs::remove_dir_all(workspace.file("new")).unwrap();
            if has_old {
                workspace.write("new/x", &old);
            }
            let mut command = Command::new("strace");
            let inject = format!("inject={CHANGES}:signal=KILL:when={cut}");
            command.args(["-f", "-o", "/dev/null", "-e", &inject]).arg(kcm());
            command.args(arguments(&["--embed-certs", "--out", "new/x"]));
            let finished = peers::output(command.current_dir(workspace.path())).status.success();
            let found = fs::read_to_string(workspace.file("new/x")).ok();
            let is_old = if has_old { found.as_deref() == Some(&*old) } else { found.is_none() };
            assert!(is_old || found.as_deref() == Some(&*new), "cut {cut}: {found:?}");

            let again = build(&workspace, &["--embed-certs", "--out", "new/x"]);
            assert_eq!(again.code, 0, "cut {cut}: {again:?}");
            assert_eq!(workspace.read("new/x"), new, "cut {cut}");
            let names = fs::read_dir(workspace.file("new")).unwrap().count();
            assert_eq!(names, 1, "cut {cut}: a leftover");
            if finished {
                break;
            }
            cuts = cut;
        }
        assert!(cuts > 15, "only {cuts} cuts");
    }
}
