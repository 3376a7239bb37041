//! What the fuzz targets share: whatever was read is taken for every type of message.

pub mod arrays;

use std::path::Path;

use arrow::array::{Array, StructArray};
use undertone_messages::{
    AudioFrame, Body, Emotion, Encoding, Features, Header, Message, Sentiment, Speech, Statistics,
    Transcript, Watermark, WindowOrder,
};
use undertone_recording::{TopicReader, compact, message_digest};

/// More messages than a small file has, unless its batches are made of nothing.
const MOST_MESSAGES: u64 = 2000;

/// Decodes an array as each type of message. What can be decoded survives to be encoded and decoded again.
pub fn decode_as_each(array: &dyn Array) {
    let _ = Header::read(array);
    decode::<AudioFrame>(array);
    decode::<Speech>(array);
    decode::<Features>(array);
    decode::<Emotion>(array);
    decode::<Encoding>(array);
    decode::<Transcript>(array);
    decode::<Sentiment>(array);
    decode::<Statistics>(array);
    decode::<Watermark>(array);
    if let Ok(Message { body: Some(frame), .. }) = Message::<AudioFrame>::decode(array) {
        let _ = frame.end();
    }
    if let Ok(Message { body: Some(encoding), .. }) = Message::<Encoding>::decode(array) {
        let _ = (encoding.frames_of_speech(), WindowOrder::default().accept(&encoding));
    }
    if let Ok(Message { body: Some(statistics), .. }) = Message::<Statistics>::decode(array) {
        let _ = statistics.value("f0_mean");
    }
}

fn decode<B: Body>(array: &dyn Array) {
    let Ok(message) = Message::<B>::decode(array) else { return };
    let encoded = message.encode().expect("what was decoded can be encoded");
    let again = Message::<B>::decode(&encoded).expect("what was encoded can be decoded");
    let twice = again.encode().expect("what was decoded can be encoded");
    // Arrow compares floats by their bits, so a NaN is itself.
    assert_eq!(encoded, twice);
}

/// Reads a topic's file to its end or to where it is damaged, and takes each message for every type.
pub fn read(bytes: &[u8]) {
    let Ok(mut reader) = TopicReader::new(Path::new("topic.arrow"), bytes, bytes.len() as u64) else {
        return;
    };
    let mut scratch = Vec::new();
    while let Ok(Some(message)) = reader.next_message() {
        check(&message, &mut scratch);
        if reader.messages() == MOST_MESSAGES {
            break;
        }
    }
}

fn check(message: &StructArray, scratch: &mut Vec<u8>) {
    decode_as_each(message);
    let digest = message_digest(message, scratch);
    assert_eq!(digest, message_digest(&compact(message), scratch));
}
