//! Commit of one master: one exchange, then the gate, and the rollback if the gate fails.

use std::sync::Arc;
use std::time::Duration;

use kcm_pki::Fingerprint;

use super::gate::{self, FIRST_LOOK, LISTENS, Serving, Unverified};
use super::leader_handover::{HandedOver, LeaderHandover};
use super::outcome::MasterResult;
use super::task::{Left, Task};
use crate::artifact::certificate_reload::{CertificateReload, Noted};
use crate::cluster::layout::Layout;
use crate::kube::LeaderChange;
use crate::transport::{
    Batch, Commit, NoteProgram, Operation, OperationError, OperationFailure, Reply, Settle,
    Settled, Stage, StagedFile, StreamAddress, Transport, TransportError, UnitAction,
};
use crate::util::files::{Bytes, FileErrorKind, Mode, Owner};

/// The master that a commit changes, and its API server.
pub(super) struct Site {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) layout: Layout,
    /// The API server of the previous kubeconfig, or of the cluster file if there was none.
    pub(super) server: StreamAddress,
    /// True if the master reached this API server before the commit; `None` if that is unknown.
    pub(super) reached_api_server: Option<bool>,
}

impl Site {
    /// Changes the master and passes the gate, or rolls back if the gate fails. With `leader_handover`, the
    /// master is the leader, and hands over leadership.
    pub(super) async fn carry_out(
        &self,
        task: Task,
        leader_handover: Option<LeaderHandover>,
    ) -> (MasterResult, Option<LeaderChange>) {
        let handed_over = match &leader_handover {
            Some(leader_handover) => leader_handover.hand_over(self, &task.commit).await,
            None => None,
        };
        let HandedOver { seen, change } = match handed_over {
            Some(handed_over) => handed_over,
            None => HandedOver { seen: self.send(task.commit.clone()).await, change: None },
        };
        (self.prove(task, seen).await, change)
    }

    async fn prove(&self, task: Task, seen: Result<Option<Settled>, Stop>) -> MasterResult {
        let seen = match seen {
            Ok(seen) => seen,
            Err(Stop::Untouched(error)) => return MasterResult::Untouched { error: Some(error) },
            Err(Stop::Unreached(error)) => {
                return MasterResult::Untouched { error: Some(error.without_name()) };
            }
            Err(Stop::Lost(error)) => {
                return MasterResult::Failed { error: error.without_name() };
            }
            Err(Stop::InTheMiddle(failure)) => {
                return self.after_failure(task.left.as_ref(), task.gate, failure).await;
            }
        };
        let Some(gate) = task.gate else { return MasterResult::Done };
        let right_after = seen.clone();
        match gate::pass(&*self.transport, &self.layout, gate, seen).await {
            Ok(invocation) => {
                let result = self.conclude(task.left.as_ref(), task.note, gate, invocation).await;
                match task.takes_up {
                    Some(file) if result == MasterResult::Done => MasterResult::Renewed {
                        certificate_reload: self.certificate_reload(file, right_after).await,
                    },
                    _ => result,
                }
            }
            Err(why) => self.unverified(task.left.as_ref(), gate, why).await,
        }
    }

    /// Carries out `operations`. Returns the observed service if the last operation observed it.
    pub(super) async fn send(&self, operations: Vec<Operation>) -> Result<Option<Settled>, Stop> {
        let replies = self.call(operations, FIRST_LOOK + LISTENS).await?;
        Ok(match replies.into_iter().next_back() {
            Some(Reply::Settled(run)) => Some(run),
            _ => None,
        })
    }

    /// Carries out `operations` within the default deadline extended by `more`.
    pub(super) async fn call(
        &self,
        operations: Vec<Operation>,
        more: Duration,
    ) -> Result<Vec<Reply>, Stop> {
        let mut batch = Batch::new(operations);
        batch.deadline += more;
        match self.transport.call(&batch).await {
            Ok(replies) => match replies.failed {
                None => Ok(replies.done),
                Some(OperationFailure { error, .. }) if changed_nothing(&error) => {
                    Err(Stop::Untouched(error.to_string()))
                }
                Some(failure) => Err(Stop::InTheMiddle(failure)),
            },
            Err(error @ TransportError::NeverRan { .. }) => Err(Stop::Unreached(error)),
            Err(error) => Err(Stop::Lost(error)),
        }
    }

    /// Handles an exchange that failed after some of its operations were done.
    async fn after_failure(
        &self,
        left: Option<&Left>,
        gate: Option<Serving>,
        failure: OperationFailure,
    ) -> MasterResult {
        match (failure.operation, gate) {
            ("settle", Some(gate)) => {
                self.unverified(left, gate, Unverified::Ended(failure.error)).await
            }
            // The service was not restarted yet.
            ("commit", _) => self.go_back(left, None, &failure.error.to_string()).await,
            _ => self.go_back(left, gate, &failure.error.to_string()).await,
        }
    }

    /// Concludes a commit: verifies that the service is still the invocation that passed the gate,
    /// makes the pending generation the previous one, and notes the program.
    async fn conclude(
        &self,
        left: Option<&Left>,
        note: NoteProgram,
        gate: Serving,
        invocation: String,
    ) -> MasterResult {
        let mut operations =
            vec![Operation::Settle(Settle::now(&self.layout.unit, Some(invocation)))];
        operations.extend(left.map(|left| Operation::Commit(left.concludes.clone())));
        operations.push(Operation::NoteProgram(note));
        match self.send(operations).await {
            Ok(_) => MasterResult::Done,
            // A transport may not support this operation.
            Err(Stop::InTheMiddle(OperationFailure { operation: "noteProgram", .. })) => {
                MasterResult::Done
            }
            Err(Stop::InTheMiddle(OperationFailure { operation: "settle", error, .. })) => {
                self.go_back(left, Some(gate), &error.to_string()).await
            }
            Err(Stop::InTheMiddle(failure)) => MasterResult::Failed {
                error: format!(
                    "applied and healthy, but cannot update the kept generations on the master: {}",
                    failure.error
                ),
            },
            Err(Stop::Untouched(error)) => MasterResult::Failed { error },
            Err(Stop::Unreached(error) | Stop::Lost(error)) => MasterResult::Failed {
                error: again(
                    "applied and healthy, but cannot record this result on the master",
                    &error,
                ),
            },
        }
    }

    /// Determines the state of the certificate reload. Stores the connections seen right after the
    /// credentials file was replaced, and compares them once with the current ones.
    ///
    /// Failures do not fail the commit: the result is then [`CertificateReload::Unknown`].
    async fn certificate_reload(
        &self,
        file: Fingerprint,
        right_after: Option<Settled>,
    ) -> CertificateReload {
        let unknown = |reason: String| CertificateReload::Unknown { reason };
        let Some(seen) = right_after else {
            return unknown(
                "the connections of the service were not observed when the file was replaced"
                    .to_owned(),
            );
        };
        let noted = match Noted::of(file, self.server.port, &seen) {
            Ok(noted) => noted,
            Err(reason) => return unknown(reason),
        };
        let target = self.layout.connections.clone();
        let files = vec![StagedFile {
            target: target.clone(),
            content: Bytes::new(noted.to_note()),
            mode: Mode::PRIVATE,
            owner: Owner::ROOT,
        }];
        let operations = vec![
            Operation::Settle(Settle::connections(&self.layout.unit, Some(seen.invocation))),
            Operation::Stage(Stage { files, kept: Vec::new() }),
            Operation::Commit(Commit { files: vec![target], ..Commit::default() }),
        ];
        match self.call(operations, Duration::ZERO).await {
            Ok(replies) => match replies.into_iter().next() {
                Some(Reply::Settled(now)) => noted.evaluate(&now),
                _ => unknown("the transport returned an unexpected reply".to_owned()),
            },
            Err(_) => {
                unknown("cannot record the connections of the service on the master".to_owned())
            }
        }
    }

    /// Decides the result of a failed gate.
    ///
    /// The gate requires a state no worse than before the commit. If the API server was unreachable
    /// before and still is, no service can be healthy, and the change stays.
    async fn unverified(
        &self,
        left: Option<&Left>,
        gate: Serving,
        why: Unverified,
    ) -> MasterResult {
        match why {
            Unverified::Lost(error) => {
                let error = again("applied and started, but not verified healthy", &error);
                return MasterResult::Failed { error };
            }
            Unverified::Unasked(_) => return MasterResult::Unverified { cause: why.to_string() },
            Unverified::Ended(_) | Unverified::Unhealthy(_) => {}
        }
        let transport = &*self.transport;
        let is_alone = self.reached_api_server == Some(false)
            && gate::reaches_api_server(transport, &self.server).await == Some(false);
        if is_alone {
            // The journal lines after the first only repeat this.
            let why = why.to_string();
            let cause = format!(
                "the API server at {} was unavailable before the change and still is; the service becomes healthy once the API server is available ({})",
                self.server,
                why.lines().next().unwrap_or_default()
            );
            return MasterResult::Unverified { cause };
        }
        self.go_back(left, Some(gate), &why.to_string()).await
    }

    /// Restores the previous generation. Restarts the service only if there is a gate.
    async fn go_back(&self, left: Option<&Left>, gate: Option<Serving>, why: &str) -> MasterResult {
        let earlier = left.map(|left| &left.generation);
        let earlier = earlier.filter(|it| !it.is_before_the_first(&self.layout.unit_file));
        let Some(earlier) = earlier else {
            return MasterResult::Failed { error: why.to_owned() };
        };
        let (stage, commit) = earlier.restore();
        let unit = self.layout.unit.clone();
        let forgets = Operation::Commit(earlier.drop_change(&self.layout));
        let mut operations = vec![Operation::Stage(stage), Operation::Commit(commit)];
        if gate.is_some() {
            operations.extend([
                Operation::Unit(UnitAction::Reload),
                Operation::Unit(earlier.enablement(&self.layout)),
                Operation::Unit(UnitAction::Restart { unit }),
                Operation::Settle(gate::at_first(&self.layout, Serving::Wherever)),
            ]);
        } else {
            operations.push(forgets.clone());
        }
        let back = match self.send(operations).await {
            Ok(_) if gate.is_none() => Ok(()),
            Ok(seen) => {
                let passed =
                    gate::pass(&*self.transport, &self.layout, Serving::Wherever, seen).await;
                passed.map(drop).map_err(|why| why.to_string())
            }
            // All files are kept before the first is replaced. A missing kept file means that none
            // was.
            Err(Stop::InTheMiddle(failure)) if is_not_kept(&failure) => {
                return MasterResult::Untouched { error: Some(why.to_owned()) };
            }
            Err(Stop::InTheMiddle(failure)) => Err(failure.error.to_string()),
            Err(Stop::Untouched(error)) => Err(error),
            Err(Stop::Unreached(error) | Stop::Lost(error)) => Err(error.without_name()),
        };
        if back.is_ok() && gate.is_some() {
            // A failure here loses nothing: the next run continues from the note.
            drop(self.send(vec![forgets]).await);
        }
        match back {
            Ok(()) => MasterResult::RolledBack { error: why.to_owned() },
            Err(trouble) => MasterResult::Failed {
                error: format!(
                    "{why}; the previous generation could not be restored and verified: {trouble}"
                ),
            },
        }
    }
}

fn is_not_kept(failure: &OperationFailure) -> bool {
    failure.operation == "stage" && failure.error.file_kind() == Some(FileErrorKind::NotFound)
}

/// The reason why an exchange did not complete.
pub(super) enum Stop {
    /// The master was not changed: it refused the operations.
    Untouched(String),
    /// The master was not reached, so that no operation ran.
    Unreached(TransportError),
    /// An operation failed after earlier ones may have changed the master.
    InTheMiddle(OperationFailure),
    /// The connection failed, and the outcome is unknown.
    Lost(TransportError),
}

/// Formats the progress so far, the error, and the advice to run the same command again.
fn again(so_far: &str, error: &TransportError) -> String {
    let reason = error.reason();
    let help = "run the same command again";
    if reason.contains(help) {
        format!("{so_far}: {reason}")
    } else {
        format!("{so_far}: {reason}; {help}")
    }
}

fn changed_nothing(error: &OperationError) -> bool {
    matches!(
        error,
        OperationError::Changed { .. } | OperationError::UnitChanged { .. } | OperationError::Busy
    )
}
