//! How far masters' clocks are from this machine's, where nothing else is asked.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::cluster::layout::Layout;
use crate::context::Run;
use crate::kube::ClockOffset;
use crate::transport::{Batch, Examine, Operation, Reply};
use crate::util::tasks::MasterTasks;

/// Reads the clocks of masters at once; unknown where a master is not asked or does not say.
pub(crate) async fn clocks(
    run: Run<'_>,
    layout: &Layout,
    is_asked: impl Fn(usize) -> bool,
) -> Vec<Option<ClockOffset>> {
    let mut asked = MasterTasks::new();
    let mut clocks = Vec::new();
    for (place, (_, transport)) in run.fleet.masters().enumerate() {
        clocks.push(None);
        if !is_asked(place) {
            continue;
        }
        let unit = layout.unit.clone();
        let question = Examine { unit, program: None, port: None, readable: None };
        let (transport, batch) =
            (Arc::clone(transport), Batch::new(vec![Operation::Examine(question)]));
        asked.spawn(place, async move {
            let begun = OffsetDateTime::now_utc();
            let replies = transport.call(&batch).await;
            let ended = OffsetDateTime::now_utc();
            let read = match replies.ok()?.done.into_iter().next()? {
                Reply::Examined(examined) => examined.clock?,
                _ => return None,
            };
            Some(ClockOffset::between(read, begun, ended, Duration::ZERO))
        });
    }
    for (place, clock) in asked.join().await {
        if let Some(slot) = clocks.get_mut(place) {
            *slot = clock.ok().flatten();
        }
    }
    clocks
}
