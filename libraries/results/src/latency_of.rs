//! The latency of a result, from the stamps that it gathered on its way.

use undertone_messages::SAMPLE_RATE;
use undertone_node::{Hop, Trace};

use crate::latency::{Latency, StageLatency};

/// Where the time went between the last sample of speech, at sample index `end`, and now. `trace` ends with the
/// hop of the node that asks. The parts add up to the total.
pub fn latency_of(trace: &Trace, end: u64) -> Latency {
    let mut stages = Vec::new();
    if let (Some(capture), Some(source)) = (trace.capture, trace.hops.first()) {
        // The source works from the moment at which the frame's last sample was there.
        stages.push(stage(source, 0, 0, source.sent_ns - capture.at_ns));
    }
    for (before, hop) in trace.hops.iter().zip(trace.hops.iter().skip(1)) {
        let ready = before.sent_ns.max(hop.free_ns);
        stages.push(stage(hop, hop.begun_ns - ready, ready - before.sent_ns, hop.sent_ns - hop.begun_ns));
    }
    let capture = trace.capture.filter(|capture| capture.realtime);
    let hangover_ns = capture.map(|capture| {
        let samples = capture.sample as i64 - end as i64;
        samples * (1_000_000_000 / i64::from(SAMPLE_RATE))
    });
    let now_ns = trace.hops.last().map(|hop| hop.sent_ns);
    let total_ns = capture.zip(hangover_ns).zip(now_ns);
    let total_ns = total_ns.map(|((capture, hangover_ns), now_ns)| now_ns - capture.at_ns + hangover_ns);
    Latency { total_ms: total_ns.map(milliseconds), hangover_ms: hangover_ns.map(milliseconds), stages }
}

fn stage(hop: &Hop, waited_ns: i64, queued_ns: i64, worked_ns: i64) -> StageLatency {
    StageLatency {
        name: hop.node.clone(),
        waited_ms: milliseconds(waited_ns),
        queued_ms: milliseconds(queued_ns),
        worked_ms: milliseconds(worked_ns),
    }
}

fn milliseconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use undertone_node::Capture;

    use super::*;

    const MS: i64 = 1_000_000;

    fn hop(node: &str, free: i64, begun: i64, sent: i64) -> Hop {
        Hop { node: node.to_owned(), free_ns: free * MS, begun_ns: begun * MS, sent_ns: sent * MS }
    }

    #[test]
    fn the_parts_add_up_to_the_total() {
        let hops = vec![
            hop("source", 0, 0, 1_002),
            hop("vad", 900, 1_003, 1_004),
            // Busy with an earlier utterance until 1,104.
            hop("asr", 1_104, 1_105, 1_505),
            hop("sink", 100, 1_506, 1_506),
        ];
        // Speech ended at 0.5 s; the frame that made it known ended at 1 s, and was captured at 1,000 ms.
        let capture = Capture { sample: 16_000, at_ns: 1_000 * MS, realtime: true };
        let latency = latency_of(&Trace { capture: Some(capture), hops }, 8_000);
        assert_eq!(latency.hangover_ms, Some(500.0));
        assert_eq!(latency.total_ms, Some(1_006.0));
        let asr = &latency.stages[2];
        assert_eq!((asr.waited_ms, asr.queued_ms, asr.worked_ms), (1.0, 100.0, 400.0));
        let parts: f64 =
            latency.stages.iter().map(|stage| stage.waited_ms + stage.queued_ms + stage.worked_ms).sum();
        assert!((500.0 + parts - 1_006.0).abs() < 1e-9, "{latency:?}");
    }

    #[test]
    fn without_a_clock_there_is_no_total() {
        let capture = Capture { sample: 16_000, at_ns: 0, realtime: false };
        let latency =
            latency_of(&Trace { capture: Some(capture), hops: vec![hop("source", 0, 0, 1)] }, 8_000);
        assert_eq!((latency.total_ms, latency.hangover_ms), (None, None));
    }
}
