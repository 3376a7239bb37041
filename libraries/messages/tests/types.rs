//! The type library that dora reads says the same as the Rust schemas.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use serde::Deserialize;
use undertone_messages::{
    AudioFrame, Body, Emotion, Encoding, Features, Message, Sentiment, Speech, Statistics, Transcript,
    Watermark,
};

#[derive(Deserialize)]
struct Library {
    types: BTreeMap<String, Type>,
}

#[derive(Deserialize)]
struct Type {
    arrow: String,
    fields: Vec<TypeField>,
}

#[derive(Deserialize)]
struct TypeField {
    name: String,
    r#type: String,
    #[serde(default = "yes")]
    nullable: bool,
}

fn yes() -> bool {
    true
}

fn library() -> Library {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../types/undertone/speech/v1.yml");
    serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Dora's own rules: a primitive by name, `List<T>` as a large list, or a type of the library.
fn data_type(library: &Library, name: &str) -> DataType {
    if let Some(inner) = name.strip_prefix("List<").and_then(|rest| rest.strip_suffix('>')) {
        return DataType::LargeList(Arc::new(Field::new("item", data_type(library, inner), true)));
    }
    match name {
        "Utf8" => DataType::Utf8,
        "UInt64" => DataType::UInt64,
        "UInt32" => DataType::UInt32,
        "Float32" => DataType::Float32,
        "Boolean" => DataType::Boolean,
        _ => DataType::Struct(fields(library, name)),
    }
}

fn fields(library: &Library, name: &str) -> Fields {
    let declared = library.types.get(name).unwrap_or_else(|| panic!("no type {name} in the library"));
    assert_eq!(declared.arrow, "Struct", "{name}");
    declared
        .fields
        .iter()
        .map(|field| Field::new(&field.name, data_type(library, &field.r#type), field.nullable))
        .collect()
}

fn check<B: Body>(library: &Library) {
    assert_eq!(fields(library, B::NAME), Message::<B>::fields(), "{}", B::NAME);
}

#[test]
fn the_type_library_matches_the_rust_schemas() {
    let library = library();
    check::<AudioFrame>(&library);
    check::<Speech>(&library);
    check::<Features>(&library);
    check::<Encoding>(&library);
    check::<Emotion>(&library);
    check::<Transcript>(&library);
    check::<Sentiment>(&library);
    check::<Statistics>(&library);
    check::<Watermark>(&library);
    // The nine above, and the two that are parts of them.
    assert_eq!(library.types.len(), 11);
}
