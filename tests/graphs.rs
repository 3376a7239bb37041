//! Graphs as users write them: the default one, and others that differ from it in YAML alone.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;

use harness::{Graph, Outcome, normalise, repository, transcripts, word_error_rate};
use serde_json::Value;

fn number(result: &Value, field: &str) -> f64 {
    result[field].as_f64().unwrap_or_else(|| panic!("{field} of {result} is not a number"))
}

/// A probability for each label, as it follows from the weights that the result carries.
fn computed_again(result: &Value) -> BTreeMap<&str, f64> {
    let is_learned = result["weighting"] == "learned";
    let others = result["other_sentiments"].as_array().unwrap().iter();
    let inputs = [&result["text_sentiment"], &result["audio_sentiment"]].into_iter().chain(others);
    let mut values: BTreeMap<&str, f64> =
        result["probabilities"].as_object().unwrap().keys().map(|label| (label.as_str(), 0.0)).collect();
    for input in inputs.filter(|input| !input.is_null()) {
        for (label, weight) in input["weights"].as_object().unwrap() {
            let probability = number(&input["probabilities"], label);
            let counted = if is_learned { probability.max(1e-4).ln() } else { probability };
            *values.get_mut(label.as_str()).unwrap() += weight.as_f64().unwrap() * counted;
        }
    }
    for (label, value) in &mut values {
        let logit = if is_learned { *value } else { value.ln() / number(result, "temperature") };
        let bias = result["bias"].get(*label).map_or(0.0, |bias| bias.as_f64().unwrap());
        *value = (logit + bias).exp();
    }
    let sum: f64 = values.values().sum();
    values.into_iter().map(|(label, value)| (label, value / sum)).collect()
}

/// Every result makes sense in itself.
fn check_results(outcome: &Outcome) {
    let mut ends: BTreeMap<&str, f64> = BTreeMap::new();
    for result in &outcome.results {
        let sum: f64 =
            result["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-4, "probabilities sum to {sum}: {result}");
        for (label, again) in computed_again(result) {
            let probability = number(&result["probabilities"], label);
            assert!((probability - again).abs() < 1e-5, "{label} is {again} by its weights: {result}");
        }
        assert_eq!(result["status"], "final", "{result}");
        let (start, end) = (number(result, "start_seconds"), number(result, "end_seconds"));
        let before = ends.insert(result["session"].as_str().unwrap(), end).unwrap_or(0.0);
        assert!(before <= start && start < end, "segments overlap or go back in time: {result}");
    }
}

/// Where the files of the joined session lie, in seconds.
fn spans() -> Vec<(f64, f64, Vec<String>)> {
    let mut start = 0.0;
    transcripts()
        .into_iter()
        .map(|(file, words)| {
            let path = repository().join("recordings/session").join(file);
            let length = undertone_source::AudioFile::open(&path).unwrap().duration().unwrap().as_secs_f64();
            let span = (start, start + length, words);
            start += length + 1.0;
            span
        })
        .collect()
}

#[test]
fn the_default_graph_hears_every_utterance_and_its_words() {
    let outcome = Graph::open("dataflow.yml", "default").fast().run().expect_success();
    check_results(&outcome);
    let spans = spans();
    for (start, end, words) in &spans {
        let heard = outcome.results.iter().any(|result| {
            let overlap =
                number(result, "end_seconds").min(*end) - number(result, "start_seconds").max(*start);
            overlap > 0.5 * (end - start).min(2.0)
        });
        assert!(heard, "nothing was heard from {start} s to {end} s: {words:?}\n{}", outcome.log);
    }
    let reference: Vec<String> = spans.into_iter().flat_map(|(_, _, words)| words).collect();
    let rate = word_error_rate(&reference, &outcome.words());
    assert!(rate <= 0.12, "word error rate {rate:.3}: {:?}", outcome.words());
    for result in &outcome.results {
        assert_eq!(result["profile"], "both", "{result}");
        assert!(result["text_sentiment"]["weight"].as_f64().unwrap() > 0.0, "{result}");
        assert!(result["audio_sentiment"]["weight"].as_f64().unwrap() > 0.0, "{result}");
    }
}

#[test]
fn whisper_cpp_takes_the_place_of_encoder_and_decoder() {
    let outcome = Graph::open("dataflows/asr.yml", "asr").fast().run().expect_success();
    check_results(&outcome);
    let reference: Vec<String> = spans().into_iter().flat_map(|(_, _, words)| words).collect();
    let rate = word_error_rate(&reference, &outcome.words());
    assert!(rate <= 0.12, "word error rate {rate:.3}: {:?}", outcome.words());
}

#[test]
fn mfcc_and_a_network_take_the_place_of_the_head_on_the_encoder() {
    let outcome = Graph::open("dataflows/mfcc.yml", "mfcc").fast().run().expect_success();
    check_results(&outcome);
    for result in &outcome.results {
        assert_eq!(result["profile"], "both", "{result}");
        let voice = &result["audio_sentiment"];
        assert!(voice["model"].as_str().unwrap().starts_with("acoustic-cnn@"), "{result}");
        assert!(voice["weight"].as_f64().unwrap() > 0.0, "{result}");
        assert_eq!(result["anomaly"], number(voice, "anomaly") > 1.0, "{result}");
    }
    // The model knows these recordings: that it calls them odd would mean that it hears something else than it learned from.
    let odd = outcome.results.iter().filter(|result| result["anomaly"] == true).count();
    assert!(odd <= 2, "{odd} of {} recordings of speech are called odd", outcome.results.len());
    // The voice says nothing about the words, and the same node heard them.
    let plain = Graph::open("dataflow.yml", "mfcc-plain").fast().run().expect_success();
    assert_eq!(outcome.words(), plain.words());
}

/// The lines that a sink of its own writes of the node prosody.
fn prosody(name: &str) -> (Outcome, Vec<Value>) {
    let graph = Graph::open("dataflows/prosody.yml", name).fast();
    let path = graph.folder().join("prosody.jsonl");
    let graph = graph.args("prosody-sink", &format!("--format none --output {}", path.display()));
    let outcome = graph.run().expect_success();
    let lines = std::fs::read_to_string(path).unwrap();
    (outcome, lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn prosody_measures_every_utterance_and_changes_no_result() {
    let (outcome, lines) = prosody("prosody");
    check_results(&outcome);
    let segments: Vec<&Value> = lines.iter().filter(|line| line["scope"] == "segment").collect();
    let spans = |lines: &[&Value]| -> Vec<_> {
        lines
            .iter()
            .map(|line| (line["segment"].clone(), line["start_sample"].clone(), line["end_sample"].clone()))
            .collect()
    };
    assert_eq!(spans(&segments), spans(&outcome.results.iter().collect::<Vec<_>>()));
    assert!(lines.len() > 4 * segments.len(), "there are windows as well");
    for (line, result) in segments.iter().zip(&outcome.results) {
        let value = |name: &str| line["values"][name].as_f64().unwrap_or_else(|| panic!("no {name}: {line}"));
        assert!((70.0..350.0).contains(&value("f0_p50")), "{line}");
        assert!((-60.0..-5.0).contains(&value("energy_mean")), "{line}");
        assert!((0.2..=1.0).contains(&value("voiced_share")), "{line}");
        if result["text"] != "" {
            assert!((0.5..12.0).contains(&value("words_per_second")), "{line}");
            assert!(value("syllables_per_second") >= value("words_per_second"), "{line}");
        }
    }
    // Another run writes the same lines.
    assert_eq!(prosody("prosody-again").1, lines);
}

/// The sum of a JSON object's numbers.
fn sum(values: &Value) -> f64 {
    values.as_object().unwrap().values().map(|value| value.as_f64().unwrap()).sum()
}

#[test]
fn a_result_says_what_each_modality_heard_and_how_sure_it_is() {
    let graph = Graph::open("dataflow.yml", "explained").fast();
    let outcome = graph.add_args("fusion", "--coverage 0.5").run().expect_success();
    check_results(&outcome);
    for result in &outcome.results {
        let voice = &result["audio_sentiment"];
        assert!((sum(&voice["emotions"]) - 1.0).abs() < 1e-3, "{result}");
        assert_eq!(voice["emotions"].as_object().unwrap().len(), 8, "{result}");
        for dimension in ["valence", "arousal"] {
            assert!(number(voice, dimension).abs() <= 1.0, "{result}");
        }
        assert!(number(voice, "anomaly") >= 0.0 && number(voice, "stale_ms") == 0.0, "{result}");
        assert!((number(voice, "weight") + number(&result["text_sentiment"], "weight") - 1.0).abs() < 1e-5);
        assert_eq!(result["anomaly"], number(voice, "anomaly") > 1.0, "{result}");
    }
    // Half of the results on which fusion was fitted were surer than the threshold.
    let abstained = outcome.results.iter().filter(|result| result["abstained"] == true).count();
    assert!(abstained > 0 && abstained < outcome.results.len(), "{abstained} of {}", outcome.results.len());
}

#[test]
fn ten_runs_lose_nothing_and_give_the_same() {
    let run = |number: usize| {
        // Without latencies, which are wall-clock times.
        let outcome = Graph::open("dataflow.yml", &format!("ten-{number}")).fast().run().expect_success();
        let results: Vec<Value> = outcome
            .results
            .into_iter()
            .map(|mut result| {
                result.as_object_mut().unwrap().remove("latency_ms");
                result
            })
            .collect();
        assert!(!results.is_empty());
        results
    };
    let first = run(0);
    for number in 1..10 {
        assert_eq!(run(number), first, "run {number} differs");
    }
}

#[test]
fn without_text_the_voice_decides() {
    let outcome = Graph::open("dataflows/audio-only.yml", "audio-only").fast().run().expect_success();
    check_results(&outcome);
    assert!(outcome.results.len() >= 8, "{}", outcome.log);
    for result in &outcome.results {
        assert_eq!(result["profile"], "audio_only", "{result}");
        assert_eq!(result["text"], "", "{result}");
    }
}

#[test]
fn the_energy_detector_takes_the_place_of_silero() {
    let graph = Graph::open("dataflow.yml", "energy").fast().args("vad", "--detector energy");
    let outcome = graph.run().expect_success();
    check_results(&outcome);
    let reference: Vec<String> = transcripts().into_iter().flat_map(|(_, words)| words).collect();
    let rate = word_error_rate(&reference, &outcome.words());
    assert!(rate <= 0.12, "word error rate {rate:.3}: {:?}", outcome.words());
}

#[test]
fn an_operator_between_source_and_vad_changes_the_audio_and_nothing_else() {
    let outcome = Graph::open("dataflows/operator.yml", "operator").fast().run().expect_success();
    check_results(&outcome);
    let reference: Vec<String> = transcripts().into_iter().flat_map(|(_, words)| words).collect();
    let rate = word_error_rate(&reference, &outcome.words());
    assert!(rate <= 0.12, "word error rate {rate:.3}: {:?}", outcome.words());
}

/// The recording at another rate, in stereo and with 8 bits a sample.
fn resampled(file: &str, rate: u32, folder: &std::path::Path) -> std::path::PathBuf {
    let path = repository().join("recordings/session").join(file);
    let samples: Vec<f32> = undertone_source::Session { name: "s".into(), files: vec![path] }
        .frames(&clap::Parser::parse_from(["source", "unused"]))
        .flat_map(|frame| frame.unwrap().samples.to_vec())
        .collect();
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: rate,
        bits_per_sample: 8,
        sample_format: hound::SampleFormat::Int,
    };
    let output = folder.join(file).with_extension("wav");
    let mut writer = hound::WavWriter::create(&output, spec).unwrap();
    for index in 0..samples.len() * rate as usize / 16_000 - rate as usize / 16_000 {
        let position = index as f64 * 16_000.0 / f64::from(rate);
        let (before, fraction) = (position as usize, position.fract() as f32);
        let after = samples.get(before + 1).copied().unwrap_or(0.0);
        let value = samples[before] + fraction * (after - samples[before]);
        for _ in 0..2 {
            writer.write_sample((value * 127.0) as i8).unwrap();
        }
    }
    writer.finalize().unwrap();
    output
}

#[test]
fn two_sources_of_different_rate_pass_side_by_side() {
    let graph = Graph::open("dataflows/two-sources.yml", "two-sources");
    let first = resampled("jfk.flac", 44_100, graph.folder());
    let second = repository().join("recordings/session/LJ001-0004.flac");
    let outcome = graph
        .args("first", &format!("{} --pace fast", first.display()))
        .args("second", &format!("{} --pace fast", second.display()))
        .run()
        .expect_success();
    check_results(&outcome);
    let words = |session: &str| -> Vec<String> {
        let of_session = outcome.results.iter().filter(|result| result["session"] == session);
        of_session.flat_map(|result| normalise(result["text"].as_str().unwrap())).collect()
    };
    for (file, reference) in transcripts() {
        let session = file.trim_end_matches(".flac");
        if session == "jfk" || session == "LJ001-0004" {
            let rate = word_error_rate(&reference, &words(session));
            assert!(rate <= 0.2, "{session}: word error rate {rate:.3}: {:?}", words(session));
        }
    }
}

#[test]
fn sessions_follow_one_another_through_one_graph() {
    let folder = repository().join("recordings/session");
    let outcome = Graph::open("dataflow.yml", "sessions")
        .recordings(&folder.display().to_string())
        .run()
        .expect_success();
    check_results(&outcome);
    let sessions: std::collections::BTreeSet<&str> =
        outcome.results.iter().map(|result| result["session"].as_str().unwrap()).collect();
    assert_eq!(sessions.len(), transcripts().len(), "{sessions:?}");
}
