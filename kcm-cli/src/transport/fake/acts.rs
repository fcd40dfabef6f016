//! Operations of a fake master.

use kcm_systemd::UnitName;
use time::OffsetDateTime;

use super::fault::{FaultPoint, When};
use super::machine::FakeState;
use crate::transport::interpret::{Machine, Moment};
use crate::transport::{
    Account, Activity, Examine, Examined, Exec, Inspect, Inspected, Listener, Observation,
    OperationError, Output, Readable, Settle, Settled, UnitAction, UnitState, enable,
};
use crate::util::files::{FileSystem as _, NodeKind, Owner, RemotePath};

impl Machine for FakeState {
    fn hostname(&self) -> Option<String> {
        (!self.offline).then(|| self.hostname.clone())
    }

    fn unit_state(
        &mut self,
        unit: &UnitName,
        path: &RemotePath,
    ) -> Result<UnitState, OperationError> {
        let enablement = enable::enablement(&mut self.memory, unit, path)?;
        let needs_reload =
            !self.offline && self.units.needs_reload(unit, path, &mut self.memory)?;
        let drop_ins = enable::drop_ins(&mut self.memory, unit)?;
        let (activity, restarts) = (self.activity(unit), self.units.restarts(unit));
        Ok(UnitState { enablement, activity, needs_reload, drop_ins, restarts })
    }

    fn act(&mut self, action: &UnitAction) -> Result<(), OperationError> {
        match action {
            UnitAction::Enable { unit, path } => return enable::enable(self, unit, path),
            UnitAction::Disable { unit, path } => return enable::disable(self, unit, path),
            _ if self.offline => return Err(no_systemd()),
            _ => {}
        }
        match action {
            UnitAction::Enable { .. } | UnitAction::Disable { .. } => Ok(()),
            UnitAction::Reload => {
                self.systemd("reload units", |state| state.units.reload(&mut state.memory))
            }
            UnitAction::Restart { unit } => self.systemd(&format!("restart {unit}"), |state| {
                state.units.restart(unit, &state.world, &mut state.memory)
            }),
            UnitAction::Stop { unit, back_after } => {
                self.systemd(&format!("arm {unit}"), |state| {
                    state.units.arm(unit, *back_after);
                    Ok(())
                })?;
                self.systemd(&format!("stop {unit}"), |state| {
                    state.units.stop(unit);
                    Ok(())
                })
            }
            UnitAction::Kill { unit, back_after } => {
                self.systemd(&format!("arm {unit}"), |state| {
                    state.units.arm(unit, *back_after);
                    Ok(())
                })?;
                self.systemd(&format!("kill {unit}"), |state| {
                    state.units.end(unit, "terminated by signal 9");
                    Ok(())
                })
            }
            UnitAction::Start { unit } => {
                if !matches!(self.activity(unit), Activity::Active { .. }) {
                    self.systemd(&format!("start {unit}"), |state| {
                        state.units.restart(unit, &state.world, &mut state.memory)
                    })?;
                }
                self.act(&UnitAction::Disarm { unit: unit.clone() })
            }
            UnitAction::Disarm { unit } => self.systemd(&format!("disarm {unit}"), |state| {
                state.units.disarm(unit);
                Ok(())
            }),
        }
    }

    fn clock(&mut self) -> OffsetDateTime {
        self.memory.tick()
    }

    fn settle(&mut self, settle: &Settle) -> Result<Settled, OperationError> {
        if self.offline {
            return Err(no_systemd());
        }
        self.units.settle(settle)
    }

    fn examine(&mut self, examine: &Examine) -> Result<Examined, OperationError> {
        if self.offline {
            return Err(no_systemd());
        }
        let taken = self.listeners.iter().filter(|at| Some(at.port()) == examine.port);
        let strangers =
            taken.map(|address| Listener { address: *address, process: None }).collect();
        let mut unreadable = Vec::new();
        if let Some(Readable { by, privileged, paths }) = &examine.readable {
            for path in paths {
                let readable = if *privileged {
                    self.memory.read(path).is_ok()
                } else {
                    self.is_readable(*by, path)?
                };
                if !readable {
                    unreadable.push(path.clone());
                }
            }
        }
        let facts = || match self.program_facts.clone() {
            Ok(facts) => Observation::Known(facts),
            Err(why) => Observation::Unknown(why),
        };
        let program = examine.program.as_ref().map(|_| facts());
        Ok(Examined {
            clock: Some(OffsetDateTime::now_utc() + self.clock_offset),
            program,
            strangers: Observation::Known(strangers),
            unreadable: Observation::Known(unreadable),
        })
    }

    fn inspect(&mut self, inspect: &Inspect) -> Result<Inspected, OperationError> {
        if self.offline {
            return Err(no_systemd());
        }
        let version = |program: &RemotePath| {
            let is_there = self.memory.stat(program)?.is_some();
            Ok::<_, OperationError>(match self.program_facts.clone() {
                Ok(facts) if is_there => Observation::Known(facts.version),
                Ok(_) => Observation::Unknown("No such file or directory".to_owned()),
                Err(why) => Observation::Unknown(why),
            })
        };
        let version = inspect.program.as_ref().map(version).transpose()?;
        Ok(Inspected {
            clock: OffsetDateTime::now_utc() + self.clock_offset,
            version,
            process: self.units.process(&inspect.unit),
        })
    }

    fn account(&mut self, account: &Account) -> Observation<Option<Owner>> {
        let owner = self.accounts.get(&account.user);
        let group = account.group.as_ref().map(|group| self.accounts.get(group).map(|it| it.gid));
        Observation::Known(match (owner, group) {
            (Some(owner), None) => Some(*owner),
            (Some(owner), Some(Some(gid))) => Some(Owner { gid, ..*owner }),
            _ => None,
        })
    }

    fn processes(&mut self, executable: &RemotePath) -> Observation<Vec<u32>> {
        let strangers = self.strangers.get(executable.as_str()).into_iter().flatten().copied();
        Observation::Known(strangers.chain(self.units.main_pids()).collect())
    }

    fn trusts(&self, uid: u32) -> bool {
        uid == 0
    }

    fn trusts_group(&self, gid: u32) -> bool {
        gid == 0
    }

    fn exec(&mut self, exec: &Exec) -> Result<Output, OperationError> {
        self.programs.get(&exec.argv).cloned().ok_or_else(|| OperationError::Unsupported {
            transport: format!("the fake {}", self.name),
            reason: format!("no output is configured for the program {:?}", exec.argv),
        })
    }

    fn at_operation(&mut self, moment: Moment) -> Result<(), OperationError> {
        let (index, when) = match moment {
            Moment::Before => (self.operations, When::Before),
            Moment::After => (self.operations.saturating_sub(1), When::After),
        };
        if moment == Moment::Before {
            self.operations += 1;
        }
        Ok(self.strike(FaultPoint::Operation { index, when }, "the master")?)
    }
}

impl FakeState {
    /// Performs one action of systemd as an effect.
    fn systemd(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Self) -> Result<(), OperationError>,
    ) -> Result<(), OperationError> {
        self.effect(what, "systemd", |_| {}, act)
    }

    fn is_readable(&mut self, by: Owner, path: &RemotePath) -> Result<bool, OperationError> {
        let Some(stat) = self.memory.stat(path)? else { return Ok(false) };
        let bits = stat.mode.bits();
        Ok(stat.kind == NodeKind::File
            && if stat.owner.uid == by.uid {
                bits & 0o400 != 0
            } else if stat.owner.gid == by.gid {
                bits & 0o040 != 0
            } else {
                bits & 0o004 != 0
            })
    }
}

fn no_systemd() -> OperationError {
    OperationError::Unsupported {
        transport: "a folder".to_owned(),
        reason: "systemd does not run in a folder".to_owned(),
    }
}
