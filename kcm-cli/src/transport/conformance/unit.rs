//! Conformance tests for the files that systemd loads a unit from.

use crate::transport::{EnvironmentState, FindUnit, Operation, Reply};

use super::{Subject, UNIT_FILE, each, unit};

const ENVIRONMENT: &str = "/opt/kubernetes/environment";

pub(super) async fn run(fresh: &impl Fn() -> Subject) {
    each(fresh, an_environment_file_that_is_a_folder_is_there_and_unreadable).await;
}

/// systemd cannot read a folder, so the variables of such a file are unknown.
async fn an_environment_file_that_is_a_folder_is_there_and_unreadable(subject: Subject) {
    let back_door = &subject.back_door;
    let text = format!("[Service]\nEnvironmentFile=-{ENVIRONMENT}\nExecStart=/bin/true $MORE\n");
    back_door.put(UNIT_FILE, text.as_bytes(), 0o644);
    assert_eq!(subject.environment().await, EnvironmentState::Absent);
    back_door.put(&format!("{ENVIRONMENT}/file"), b"", 0o644);
    assert_eq!(subject.environment().await, EnvironmentState::Unreadable);
}

impl Subject {
    async fn environment(&self) -> EnvironmentState {
        let find = Operation::FindUnit(FindUnit { unit: unit() });
        let replies = self.done(vec![find]).await;
        let [Reply::FoundUnit(found)] = &replies[..] else { panic!("{replies:?}") };
        let [source] = &found.environment[..] else { panic!("{found:?}") };
        source.state.clone()
    }
}
