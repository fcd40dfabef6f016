//! States and steps of the model.
//!
//! Resource versions are only compared, so the model has none. An update in transit either names
//! the current version or is void, and every change of the Lease makes all others void. The number
//! of states is therefore finite, without a limit on the number of actions.

/// A process of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Who {
    /// The process that kcm stops.
    Stopped,
    /// Successor of that process on the same host, which any party may start.
    Successor,
    /// Candidates on other masters.
    Second,
    Third,
    /// A second process on the same host, unknown to kcm.
    Twin,
}

impl Who {
    pub(super) const ALL: [Self; 5] =
        [Self::Stopped, Self::Successor, Self::Second, Self::Third, Self::Twin];

    pub(super) fn hostname(self) -> &'static str {
        match self {
            Self::Stopped | Self::Successor | Self::Twin => "k8s-master-01",
            Self::Second => "k8s-master-02",
            Self::Third => "k8s-master-03",
        }
    }
}

/// A time in a Lease, relative to the process that kcm stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Moment {
    BeforeStart,
    /// Before kcm has seen that the process has ended.
    Running,
    Gone,
}

/// State of the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leased {
    pub(super) holder: Option<Who>,
    pub(super) acquired: Moment,
    pub(super) renewed: Moment,
}

/// A candidate's update in transit, for the current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Update {
    acquires: bool,
    at: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    life: Life,
    leads: bool,
    sent: Option<Update>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    ToCome,
    Lives,
    Ended,
}

/// Progress of kcm, with the holder of the Lease before the stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kcm {
    Begins,
    /// kcm has read the Lease, and stops the service.
    Stops(Option<Who>),
    /// kcm reads the Lease and decides.
    Decides(Option<Who>),
    /// kcm has sent a replacement.
    Waits(Option<Who>),
    Ends,
}

/// Replacements of kcm in transit. They may arrive at any time, and more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Replacement {
    None,
    /// At least one names the current version.
    Fits,
    /// All name earlier versions.
    Void,
}

/// The part of the rule that is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Whole,
    /// Replacements name no version.
    AnyVersion,
    /// The holder may differ from the one before the stop.
    AnyHolder,
    /// The holder may be on another host.
    AnyHost,
    /// The holder may have acquired the Lease at any time.
    AnyStart,
    /// The holder may have renewed the Lease at any time.
    AnyEnd,
    /// kcm does not wait until the process has ended.
    StillRunning,
}

/// Behaviour of the second process of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twin {
    /// No second process exists.
    None,
    /// Acquires the Lease before the stopped process starts or after that has ended.
    Older,
    /// Acquires the Lease at any time, and has renewed it after the end of the stopped process
    /// before kcm reads it.
    Prompt,
    /// Acquires the Lease at any time.
    Any,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    pub(super) rule: Rule,
    pub(super) twin: Twin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    lease: Leased,
    processes: [Process; 5],
    kcm: Kcm,
    replacement: Replacement,
    pub(super) was_freed: bool,
}

impl Config {
    /// Returns all initial states: with each possible leader, and without one.
    pub(super) fn begin(self) -> Vec<State> {
        let lives = Process { life: Life::Lives, leads: false, sent: None };
        let lease = Leased { holder: None, acquired: Moment::Running, renewed: Moment::Running };
        let mut nobody = State {
            lease,
            processes: [lives; 5],
            kcm: Kcm::Begins,
            replacement: Replacement::None,
            was_freed: false,
        };
        nobody.process(Who::Successor).life = Life::ToCome;
        if self.twin == Twin::None {
            nobody.process(Who::Twin).life = Life::Ended;
        }
        let led = Who::ALL.into_iter().filter(|who| nobody.is_alive(*who)).map(|who| {
            nobody.with(|state| {
                // The second process led before the stopped one started.
                let acquired = if who == Who::Twin { Moment::BeforeStart } else { Moment::Running };
                state.lease = Leased { holder: Some(who), acquired, ..lease };
                state.process(who).leads = true;
            })
        });
        led.chain([nobody]).collect()
    }
}

impl State {
    fn process(&mut self, who: Who) -> &mut Process {
        &mut self.processes[who as usize]
    }

    fn is_alive(&self, who: Who) -> bool {
        self.processes[who as usize].life == Life::Lives
    }

    /// Returns the time on the host of the stopped process. Until kcm has seen its end, a successor
    /// may have started.
    fn now(&self) -> Moment {
        match self.kcm {
            Kcm::Begins | Kcm::Stops(_) => Moment::Running,
            Kcm::Decides(_) | Kcm::Waits(_) | Kcm::Ends => Moment::Gone,
        }
    }

    /// Returns the number of living processes that believe that they lead.
    pub(super) fn leaders(&self) -> usize {
        let leads = |process: &&Process| process.life == Life::Lives && process.leads;
        self.processes.iter().filter(leads).count()
    }

    /// Returns all states after one step. `frees` decides on the holder before the stop and the
    /// current Lease.
    pub(super) fn steps(
        &self,
        config: Config,
        frees: &mut dyn FnMut(Option<Who>, Leased) -> bool,
    ) -> Vec<Self> {
        let mut next = Vec::new();
        for who in Who::ALL {
            self.candidate(who, config, &mut next);
        }
        self.replacement(config, &mut next);
        self.kcm(config, frees, &mut next);
        next
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut state = *self;
        change(&mut state);
        state
    }

    /// Changes the Lease; all messages in transit become void.
    fn change(&mut self, lease: Leased) {
        self.lease = lease;
        for process in &mut self.processes {
            process.sent = None;
        }
        if self.replacement == Replacement::Fits {
            self.replacement = Replacement::Void;
        }
    }

    fn candidate(&self, who: Who, config: Config, next: &mut Vec<Self>) {
        let process = self.processes[who as usize];
        if process.life == Life::ToCome && !self.is_alive(Who::Stopped) {
            // kcm, a timer or any other party starts the successor.
            next.push(self.with(|state| state.process(who).life = Life::Lives));
        }
        if let Some(update) = process.sent {
            // An update also arrives if its sender has ended.
            next.push(self.with(|state| state.arrive(who, update)));
        }
        if process.life != Life::Lives {
            return;
        }
        next.push(self.with(|state| {
            let process = state.process(who);
            (process.life, process.leads) = (Life::Ended, false);
        }));
        let sends = |acquires| {
            self.with(|state| {
                let at = state.now();
                state.process(who).sent = Some(Update { acquires, at });
            })
        };
        let may_acquire =
            who != Who::Twin || config.twin != Twin::Older || !self.is_alive(Who::Stopped);
        match self.lease.holder {
            _ if process.sent.is_some() => {}
            // A leader believes in its leadership until it gives up and ends, even if another
            // process holds the Lease.
            Some(holder) if holder == who => next.push(sends(!process.leads)),
            Some(holder) if self.is_alive(holder) => {}
            Some(_) | None if may_acquire => next.push(sends(true)),
            Some(_) | None => {}
        }
    }

    fn arrive(&mut self, who: Who, update: Update) {
        let acquired = if update.acquires { update.at } else { self.lease.acquired };
        self.change(Leased { holder: Some(who), acquired, renewed: update.at });
        let process = self.process(who);
        process.leads = process.life == Life::Lives;
    }

    /// Delivers a replacement; kcm receives the answer or does not.
    fn replacement(&self, config: Config, next: &mut Vec<Self>) {
        let is_written = match self.replacement {
            Replacement::None => return,
            Replacement::Fits => true,
            Replacement::Void => config.rule == Rule::AnyVersion,
        };
        let arrived = self.with(|state| {
            if is_written {
                let (acquired, renewed) = (Moment::Gone, Moment::Gone);
                state.change(Leased { holder: None, acquired, renewed });
                state.was_freed = true;
            }
        });
        next.push(arrived);
        if let Kcm::Waits(before) = self.kcm {
            let heard = if is_written { Kcm::Ends } else { Kcm::Decides(before) };
            next.push(arrived.with(|state| state.kcm = heard));
        }
    }

    fn kcm(
        &self,
        config: Config,
        frees: &mut dyn FnMut(Option<Who>, Leased) -> bool,
        next: &mut Vec<Self>,
    ) {
        let goes = |to| self.with(|state| state.kcm = to);
        let is_gone = !self.is_alive(Who::Stopped);
        match self.kcm {
            Kcm::Begins if !is_gone => next.push(goes(Kcm::Stops(self.lease.holder))),
            Kcm::Stops(before) if is_gone || config.rule == Rule::StillRunning => {
                next.push(goes(Kcm::Decides(before)));
            }
            Kcm::Begins | Kcm::Stops(_) | Kcm::Ends => {}
            Kcm::Decides(before) => {
                let is_of_twin = self.lease.holder == Some(Who::Twin) && self.is_alive(Who::Twin);
                let is_late = config.twin == Twin::Prompt && self.lease.renewed != Moment::Gone;
                if is_of_twin && is_late {
                    return;
                }
                let decided = if frees(before, self.lease) {
                    self.with(|state| {
                        state.kcm = Kcm::Waits(before);
                        state.replacement = Replacement::Fits;
                    })
                } else {
                    goes(Kcm::Ends)
                };
                next.push(decided);
            }
            // Without an answer, kcm reads again or gives up.
            Kcm::Waits(before) => next.extend([goes(Kcm::Decides(before)), goes(Kcm::Ends)]),
        }
    }
}
