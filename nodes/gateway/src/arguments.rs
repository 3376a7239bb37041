//! The node's arguments, as they are written in the graph.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::access::origin;
use crate::limits::{Limits, samples};

/// Takes speech over WebSocket and gives results back, and serves a page that does so from a browser.
///
/// Inputs: `watermark` and `sentiment` (from fusion); and any of `provisional`, `speech`, `acoustic`, `acoustic-preview`,
/// `transcript` and `transcript-preview`. Output: `audio`. The protocol is described in nodes/gateway/asyncapi.yml.
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(name = "gateway", version)]
pub struct Arguments {
    /// Address and port to listen on. Only this machine can connect to the default; behind another address, ask for a
    /// token and put a proxy with TLS before it.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8765")]
    pub listen: SocketAddr,

    /// Ask clients for the token in the first line of this file. Without it, the environment's UNDERTONE_TOKEN is asked
    /// for, if there is one.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Let pages of this origin use the gateway, as `https://speech.example.org`. Pages from the gateway itself may.
    /// Repeat it for each origin.
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = origin)]
    pub allow_origins: Vec<String>,

    /// Sessions at a time. The graph's queues are divided among them.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = at_least_one)]
    pub sessions: usize,

    /// Length of a frame on its way into the graph
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 64, value_parser = clap::value_parser!(u64).range(8..=1000))]
    pub frame_ms: u64,

    /// The longest frame that a client may send
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(20..=10_000))]
    pub max_frame_ms: u64,

    /// How many times faster than the clock a session's audio is read. What a client sends faster waits in the network.
    #[arg(long, value_name = "FACTOR", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub max_speed: u64,

    /// How much of a session's audio is read at once before `--max-speed` holds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub burst_seconds: u64,

    /// How much of a session's audio waits for a graph that is late. Then the oldest is lost, which is on record.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub buffer_seconds: u64,

    /// From how much late audio on a client is told, by a `backpressure` event
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2000)]
    pub backpressure_ms: u64,

    /// End a session whose client has sent no audio for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub idle_seconds: u64,

    /// How long a session waits for a client whose connection broke
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub grace_seconds: u64,

    /// How many events a client that does not read may be behind
    #[arg(long, value_name = "EVENTS", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub lag_events: u64,

    /// Let clients change arguments of this node while the graph runs, or with NODE.ARGUMENT only this one. Repeat it for
    /// each. It takes a graph that was started by `dora start`.
    #[arg(long = "parameters", value_name = "NODE")]
    pub parameters: Vec<String>,

    /// The command line of dora, for `--parameters`
    #[arg(long, value_name = "PROGRAM", default_value = "dora")]
    pub dora: PathBuf,
}

impl Arguments {
    /// The limits.
    pub fn limits(&self) -> Limits {
        Limits {
            sessions: self.sessions,
            frame_samples: samples(self.frame_ms) as usize,
            max_frame_ms: self.max_frame_ms,
            speed: self.max_speed,
            burst_ms: 1_000 * self.burst_seconds,
            buffer_ms: 1_000 * self.buffer_seconds,
            backpressure_ms: self.backpressure_ms,
            idle_seconds: self.idle_seconds,
            grace_seconds: self.grace_seconds,
            lag_events: self.lag_events,
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=1_000).contains(&number) => Ok(number),
        _ => Err(format!("`{text}` is not a number from 1 to 1000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_limits() {
        let arguments = Arguments::try_parse_from(["gateway"]).unwrap();
        assert_eq!(arguments.limits(), Limits::default());
        assert!(arguments.listen.ip().is_loopback());
    }

    #[test]
    fn a_slash_behind_an_origin_is_left_out() {
        let words =
            ["gateway", "--allow-origin", "https://speech.example.org/", "--allow-origin", "http://a:1"];
        let arguments = Arguments::try_parse_from(words).unwrap();
        assert_eq!(arguments.allow_origins, ["https://speech.example.org", "http://a:1"]);
    }

    #[test]
    fn what_is_not_possible_is_refused() {
        for words in [
            ["--sessions", "0"],
            ["--frame-ms", "1"],
            ["--listen", "localhost"],
            ["--max-speed", "0"],
            ["--lag-events", "100000"],
            ["--allow-origin", "speech.example.org"],
        ] {
            let error = Arguments::try_parse_from(["gateway"].iter().chain(&words)).unwrap_err();
            assert!(error.to_string().contains(words[0]), "{error}");
        }
    }
}
