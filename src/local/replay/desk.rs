//! The owners' desks in file mode: fed by what the engines say, or by a dump of the alerts that a service has said.
//!
//! In a dump of alerts the desk goes by the records' own timestamps and by nothing else, as the notify role does: given
//! the records in the order in which that took them, the same goes out, byte for byte.

use super::{Found, Replay};
use crate::desk::notice::Notice;
use crate::desk::{Outgoing, QUIET};
use crate::engine::alert;
use crate::engine::effect::AlertChange;
use crate::engine::input::Record;
use crate::local::reject::LineError;
use crate::units::Timestamp;
use crate::wire::desk::encode_outgoing;
use crate::wire::dump::DumpRecord;
use crate::wire::notice::decode_notice;

impl Replay {
    /// Takes in a record of a dump of alerts.
    pub(super) fn alert_record(&mut self, dumped: &DumpRecord<'_>, found: &mut Found) -> Result<(), LineError> {
        let notice = decode_notice(dumped.value.as_deref().unwrap_or_default())?;
        let present = dumped.timestamp.unwrap_or(notice.at);
        self.told_until = self.told_until.max(Some(present));
        if let Some(known) = alert::type_names().find(|known| *known == notice.item.alert_type) {
            self.tally.alert(known, notice.transition);
        }
        let mut outgoing = Vec::new();
        self.desk.tick(present, &mut outgoing);
        self.desk.change(notice, present, &mut outgoing);
        write(&outgoing, found);
        Ok(())
    }

    /// Tells the desk what an engine has said about `record`.
    pub(super) fn tell_desk(&mut self, change: &AlertChange, record: &Record<'_>, found: &mut Found) {
        if found.desk.is_none() {
            return;
        }
        // Where the log keeps no timestamps, the run is when things become known.
        let unknown = record.received_at == Timestamp::MAX;
        let known_at = if unknown { self.settings.start } else { record.received_at };
        let mut outgoing = Vec::new();
        self.desk.change(Notice::of(change), known_at, &mut outgoing);
        write(&outgoing, found);
    }

    /// The end of the input: what is open goes out. A dump of alerts is a part of something that goes on, so that only
    /// goes out which goes out when nothing comes for a while.
    pub(super) fn finish_desk(&mut self, found: &mut Found) {
        if found.desk.is_none() {
            return;
        }
        let clock = self.lanes.values().filter_map(|lane| lane.engine.partition().clock).max();
        let mut outgoing = Vec::new();
        match (self.told_until, clock) {
            (Some(until), _) => self.desk.tick(until.plus(QUIET), &mut outgoing),
            (None, Some(clock)) => self.desk.finish(clock, &mut outgoing),
            (None, None) => {}
        }
        write(&outgoing, found);
    }
}

/// Appends what goes out, one JSON object a line, where somebody wants it.
fn write(outgoing: &[Outgoing], found: &mut Found) {
    let Some(out) = &mut found.desk else { return };
    for outgoing in outgoing {
        encode_outgoing(outgoing, out);
        out.push(b'\n');
    }
}
