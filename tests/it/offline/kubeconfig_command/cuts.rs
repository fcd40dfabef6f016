//! `kcm kubeconfig build` that is killed at any system call.

use std::fs;

use kcm_tests::{kcm, peers};

use super::{arguments, build, built, workspace};
use crate::offline::cuts::at_every_call;

#[test]
fn killed_before_any_system_call_the_file_is_old_or_new_and_the_next_run_finishes() {
    if !peers::has("strace") {
        return;
    }
    let workspace = workspace();
    let new = built(&workspace, "new/x");
    let old = new.replace("192.168.1.210", "192.168.1.211");
    for has_old in [true, false] {
        let cuts = at_every_call(|cut| {
            fs::remove_dir_all(workspace.file("new")).unwrap();
            if has_old {
                workspace.write("new/x", &old);
            }
            let mut command = cut.strace();
            command.arg(kcm()).args(arguments(&["--embed-certs", "--out", "new/x"]));
            let finished = peers::output(command.current_dir(workspace.path())).status.success();
            let found = fs::read_to_string(workspace.file("new/x")).ok();
            let is_old = if has_old { found.as_deref() == Some(&*old) } else { found.is_none() };
            assert!(is_old || found.as_deref() == Some(&*new), "{cut:?}: {found:?}");

            let again = build(&workspace, &["--embed-certs", "--out", "new/x"]);
            assert_eq!(again.code, 0, "{cut:?}: {again:?}");
            assert_eq!(workspace.read("new/x"), new, "{cut:?}");
            let names = fs::read_dir(workspace.file("new")).unwrap().count();
            assert_eq!(names, 1, "{cut:?}: a leftover");
            finished
        });
        println!("{cuts} cuts");
        assert!(cuts > 30, "only {cuts} cuts");
    }
}
